"""Progressive quality, ranking quality, off-policy estimates and drift."""
