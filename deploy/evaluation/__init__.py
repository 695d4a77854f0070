"""Re-scoring of recorded lists and off-policy evaluation."""
