"""Failure drills: a whole system under load, what is broken in it on purpose, and what that cost."""
