"""Every published figure, and the peers beside it."""
