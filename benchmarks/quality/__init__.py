"""How good the predictions are; run all of it with `python -m benchmarks.quality`."""
