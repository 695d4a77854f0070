"""Candidates for a list."""
