"""The items as a process holds them: the dense table, its mirror of the compacted topics, shared memory."""
