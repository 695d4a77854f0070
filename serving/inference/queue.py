"""Where scoring runs: on the event loop or on threads (docs/decisions/0014-scoring-on-the-event-loop.md)."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from serving.admission import Admission

__all__ = ["ScoringQueue"]

_R = TypeVar("_R")
_AT_HAND = 1000  # candidates, up to which handing the work to a thread costs more than the loop gains by it
_TURNS = 4  # of the loop between two pieces, and two more for each request that waits


class ScoringQueue(ThreadPoolExecutor):
    """An executor that reports what its work takes, and runs little of it on the event loop while that is at ease."""

    def __init__(self, threads: int, admission: Admission) -> None:
        super().__init__(threads, thread_name_prefix="scoring")
        self._count, self._admission = threads, admission
        self._turn, self._turn_ended = asyncio.Lock(), 0.0

    async def run(self, work: Callable[[], _R], *, candidates: int) -> _R:
        """What `work` returns: a little of it is done on the event loop, in order of arrival; much, on a thread.

        One thread beside the loop makes nothing faster, as the two fight for the interpreter's lock; but it lets the loop reject
        what comes, so it works where much does. More than one are there to work side by side, and get all of it.
        """
        if candidates > _AT_HAND or not self._admission.at_ease or self._count > 1:
            return await asyncio.get_running_loop().run_in_executor(self, work)
        arrived = time.perf_counter()
        async with self._turn:
            # Between two pieces the loop keeps deadlines and admits or rejects what has come. gRPC hands over one call every
            # other turn: with fewer turns, calls beyond capacity would wait there, unseen, for longer than any bound.
            for _ in range(_TURNS + 2 * self._admission.places):
                await asyncio.sleep(0)
            try:
                return work()
            finally:
                self._worked_since(
                    max(arrived, self._turn_ended)
                )  # with all else that the loop did: those behind wait for it, too
                self._turn_ended = time.perf_counter()

    def submit(self, work: Callable[..., _R], /, *args: Any, **kwargs: Any) -> "Future[_R]":
        """As every executor's; the time that work takes is an estimate for the next."""
        return super().submit(self._timed, work, *args, **kwargs)

    def _timed(self, work: Callable[..., _R], *args: Any, **kwargs: Any) -> _R:
        began = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            self._worked_since(began)

    def _worked_since(self, began: float) -> None:
        self._admission.worked(time.perf_counter() - began)
