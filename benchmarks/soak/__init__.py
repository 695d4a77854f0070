"""Whether anything grows under hours of load; run it with `python -m benchmarks.soak`."""
