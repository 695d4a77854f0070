"""How fast the event path is, and where its time goes; run all of it with `python -m benchmarks.streams`."""
