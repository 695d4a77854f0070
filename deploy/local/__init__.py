"""Embedded stack: broker, workers and server as child processes of one command."""
