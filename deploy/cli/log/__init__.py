"""Commands on the topics of the event log."""
