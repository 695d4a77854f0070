"""Owns timing the stages of one answer."""

import time

__all__ = ["Stopwatch"]


class Stopwatch:
    """Seconds by stage; one answer's, passed to what works on it, on the loop or a thread, and back."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """What went by since the last lap was spent on `stage`."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now
