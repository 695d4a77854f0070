"""Messages that only Headwater's own processes exchange."""
