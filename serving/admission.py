"""Admission control: how many requests may be in flight, and how many seconds of work may wait for its turn.

What is rejected must cost next to nothing, so it is decided before a request is read. The bound on waiting is in seconds, not in
requests, since what a request costs depends on how many candidates it has.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from serving.api.errors import Overloaded

__all__ = ["Admission"]

_AT_EASE = 0.75  # of the time spent on work, up to which the event loop can admit or reject all that comes besides
_LONG_SECONDS = 0.02  # between two requests; a longer time counts as this, so that a rush after it is noticed soon
_NEWEST_SHARE = 0.05  # of the newest piece of work in the mean by which the wait is estimated


class Admission:
    """Counts requests and work of one process; for its event loop, but for `worked`, which any thread may call."""

    def __init__(self, *, max_in_flight: int, max_wait_seconds: float, workers: int = 1) -> None:
        """Args: `workers` do the work side by side, so that it waits so many times less."""
        self.in_flight = 0
        """Requests that were admitted and have not ended."""
        self.places = 0
        """Of these, the ones that wait for work or have it done."""
        self._max_in_flight, self._max_wait, self._workers = max_in_flight, max_wait_seconds, workers
        self._mean_seconds = 0.0
        self._entered_at, self._mean_interval = 0.0, _LONG_SECONDS

    @property
    def at_ease(self) -> bool:
        """Whether requests come slowly enough for the event loop to do their work and still look at what comes."""
        return self._mean_seconds <= _AT_EASE * self._mean_interval

    def enter(self, *, scoring: bool) -> None:
        """Admits a request, which must then `leave`; one for `scoring` needs room among the work that waits, too.

        Raises:
            Overloaded: there is no room; the request does not count.
        """
        if self.in_flight >= self._max_in_flight:
            raise Overloaded(f"{self._max_in_flight} requests are in flight, which is all this server takes: retry with backoff")
        if scoring:
            now = time.perf_counter()
            interval = min(now - self._entered_at, _LONG_SECONDS)
            self._entered_at, self._mean_interval = now, self._mean_interval + _NEWEST_SHARE * (interval - self._mean_interval)
            self._check_wait(math.inf)
        self.in_flight += 1

    def leave(self) -> None:
        """Ends an admitted request."""
        self.in_flight -= 1

    @contextmanager
    def place(self, seconds: float) -> Iterator[None]:
        """A place among the work that waits, held from before a user's features are read until the work is done.

        Raises:
            Overloaded: the work would wait longer than the bound, or than the `seconds` that its caller has left.
        """
        self._check_wait(seconds)
        self.places += 1
        try:
            yield
        finally:
            self.places -= 1

    def worked(self, seconds: float) -> None:
        """A piece of work took so long; the next ones are expected to."""
        self._mean_seconds += _NEWEST_SHARE * (seconds - self._mean_seconds)

    def _check_wait(self, seconds: float) -> None:
        wait = self.places * self._mean_seconds / self._workers
        if wait > min(seconds, self._max_wait):
            raise Overloaded(f"about {wait:.3f} s of work waits before this request: retry with backoff, or run more servers")
