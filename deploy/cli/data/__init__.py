"""Commands on one's own data."""
