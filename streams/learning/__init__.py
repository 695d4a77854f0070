"""Learning from the examples log."""
