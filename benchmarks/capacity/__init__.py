"""What one core and one gigabyte carry; measure it and write docs/capacity.md with `python -m benchmarks.capacity`."""
