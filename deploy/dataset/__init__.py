"""Recorded data: reading files, guessing columns, writing, checking and loading a project."""
