"""Owns how Headwater runs: the `headwater` command, the embedded stack and the demo."""
