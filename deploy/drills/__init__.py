"""Owns rehearsing failures: a real Prometheus beside the embedded stack, load, faults, and what became of both."""
