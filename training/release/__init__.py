"""Acceptance, champion and challenger, and promotion of candidate models."""
