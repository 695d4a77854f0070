"""How fast answers come and what happens under pressure; run all of it with `python -m benchmarks.serving`."""
