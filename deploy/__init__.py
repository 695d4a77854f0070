"""Running Headwater: the `headwater` command, the embedded stack and the demo."""
