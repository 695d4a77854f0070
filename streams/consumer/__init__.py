"""Consumer groups on Faust."""
