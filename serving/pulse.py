"""Owns whether the server's event loop still turns: the port of probes has a thread of its own, which would not notice."""

import asyncio
import time
from collections.abc import Callable

__all__ = ["Pulse"]


class Pulse:
    """Beats on the event loop; any thread may ask whether it does."""

    def __init__(
        self, *, every_seconds: float = 1.0, dead_after_seconds: float = 10.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._every, self._dead_after, self._monotonic = every_seconds, dead_after_seconds, monotonic
        self._beat_at = monotonic()

    async def beat(self) -> None:
        """Beats until cancelled."""
        while True:
            self._beat_at = self._monotonic()
            await asyncio.sleep(self._every)

    def alive(self) -> bool:
        """False once the loop has been held up for longer than any request may."""
        return self._monotonic() - self._beat_at < self._dead_after
