"""Pages of the measured quality."""
