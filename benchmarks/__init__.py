"""Every published figure, with those of the peers."""
