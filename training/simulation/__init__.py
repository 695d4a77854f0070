"""Synthetic catalogues and simulated users."""
