"""Generation, documentation and compatibility of the wire contracts."""
