"""Served models and the scoring of candidates."""
