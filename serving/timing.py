"""Seconds by stage of one response, and the time from an event to the first response that counts it."""

import time
from collections import OrderedDict

__all__ = ["FreshnessTracker", "Stopwatch"]

_LIVE_SECONDS = 3600.0
_USERS = 10_000


class FreshnessTracker:
    """Remembers, of the latest users, how new the row was that they were last served with.

    It is an upper bound: a user who asks an hour after the event is served with it after an hour. Watch the low quantiles, or
    ask often. Events older than an hour are imported history and say nothing.
    """

    def __init__(self) -> None:
        self._as_of: OrderedDict[str, float] = OrderedDict()

    def observe(self, user_id: str, as_of: float | None, now: float) -> float | None:
        """Seconds since the user's newest event if this is the first answer to count it; None otherwise, and at first sight.

        >>> tracker = FreshnessTracker()
        >>> tracker.observe("ann", 10.0, now=15.0), tracker.observe("ann", 16.0, now=16.5)
        (None, 0.5)
        """
        if as_of is None:
            return None
        before = self._as_of.pop(user_id, None)
        self._as_of[user_id] = as_of
        if len(self._as_of) > _USERS:
            self._as_of.popitem(last=False)
        if before is None or as_of <= before or now - as_of >= _LIVE_SECONDS:
            return None
        return max(now - as_of, 0.0)


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
