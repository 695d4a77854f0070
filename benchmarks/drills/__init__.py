"""What failures cost; run all drills with `python -m benchmarks.drills`."""
