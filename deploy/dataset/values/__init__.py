"""Cells of recorded data as people write them: times, numbers, ids and lists."""
