"""Owns where scoring is done, on the event loop or on threads, and the bound on the work that waits for it."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from serving.api.errors import Overloaded

__all__ = ["ScoringQueue"]

_R = TypeVar("_R")
_AT_HAND = 1000  # candidates, up to which handing the work to a thread costs more than the loop gains by it
_AT_EASE = 0.75  # of the time spent on work, up to which the loop can admit or refuse all that comes besides
_TURNS = 4  # of the loop between two pieces, and two more for each request inside
_LONG_SECONDS = 0.02  # between two requests; a longer time counts as this, so that a rush after it is noticed soon
_NEWEST_SHARE = 0.05  # of the newest piece of work in the mean that the wait is foretold by


class ScoringQueue(ThreadPoolExecutor):
    """An executor with a bounded queue: what would wait too long is refused before any work is put into it.

    The bound is in seconds, not in requests, since what a request costs depends on how many candidates it has.
    """

    def __init__(self, threads: int, *, max_wait_seconds: float) -> None:
        super().__init__(threads, thread_name_prefix="scoring")
        self._count, self._max_wait = threads, max_wait_seconds
        self._turn, self._turn_ended = asyncio.Lock(), 0.0
        self._inside = 0
        self._mean_seconds = 0.0
        self._arrived, self._mean_interval = 0.0, _LONG_SECONDS

    def arrive(self) -> None:
        """Notes that a request has come; raises Overloaded as `place` does."""
        now = time.perf_counter()
        interval = min(now - self._arrived, _LONG_SECONDS)
        self._arrived, self._mean_interval = now, self._mean_interval + _NEWEST_SHARE * (interval - self._mean_interval)
        self._check_room()

    def _check_room(self, seconds: float = math.inf) -> None:
        wait = self._inside * self._mean_seconds / self._count
        if wait > min(seconds, self._max_wait):
            raise Overloaded(f"about {wait:.3f} s of work waits before this request: retry with backoff, or run more servers")

    @contextmanager
    def place(self, seconds: float) -> Iterator[None]:
        """A place in the queue for one request, from before its features are read until its work is done.

        Raises:
            Overloaded: it would wait longer than the bound, or than the `seconds` which its caller has left.
        """
        self._check_room(seconds)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def run(self, work: Callable[[], _R], *, candidates: int) -> _R:
        """What `work` returns: a little of it is done on the event loop, in order of arrival; much, on a thread.

        One thread beside the loop makes nothing faster, as the two fight for the interpreter's lock; but it lets the loop refuse
        what comes, so it works where much does. More than one are there to work side by side, and get all of it.
        """
        if candidates > _AT_HAND or self._mean_seconds > _AT_EASE * self._mean_interval or self._count > 1:
            return await asyncio.get_running_loop().run_in_executor(self, work)
        arrived = time.perf_counter()
        async with self._turn:
            # Between two pieces the loop keeps deadlines and admits or refuses what has come. gRPC hands over one call every
            # other turn: with fewer turns, calls beyond capacity would wait there, unseen, for longer than any bound.
            for _ in range(_TURNS + 2 * self._inside):
                await asyncio.sleep(0)
            try:
                return work()
            finally:
                self._took_since(max(arrived, self._turn_ended))  # with all else that the loop did, which is waited for, too
                self._turn_ended = time.perf_counter()

    def submit(self, work: Callable[..., _R], /, *args: Any, **kwargs: Any) -> "Future[_R]":
        """As every executor's; the time that work takes foretells how long the next will wait."""
        return super().submit(self._timed, work, *args, **kwargs)

    def _timed(self, work: Callable[..., _R], *args: Any, **kwargs: Any) -> _R:
        began = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            self._took_since(began)

    def _took_since(self, began: float) -> None:
        self._mean_seconds += _NEWEST_SHARE * (time.perf_counter() - began - self._mean_seconds)
