"""Where scoring runs: on the event loop or on threads (docs/decisions/0014-scoring-on-the-event-loop.md)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ScoringQueue"]

_R = TypeVar("_R")
_AT_HAND = 1000  # candidates, up to which handing the work to a thread costs more than the loop gains by it
_TURNS = 6  # of the loop between two pieces: gRPC hands over one call every other turn


class ScoringQueue(ThreadPoolExecutor):
    """An executor that runs little work on the event loop."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads, thread_name_prefix="scoring")
        self._count = threads
        self._turn = asyncio.Lock()

    async def run(self, work: Callable[[], _R], *, candidates: int) -> _R:
        """What `work` returns: a little of it is done on the event loop, in order of arrival; much, on a thread.

        One thread beside the loop makes nothing faster, as the two fight for the interpreter's lock. More than one are there to
        work side by side, and get all of it.
        """
        if candidates > _AT_HAND or self._count > 1:
            return await asyncio.get_running_loop().run_in_executor(self, work)
        async with self._turn:
            # Between two pieces the loop keeps deadlines and takes over some of the calls that have come. More than that wait in
            # gRPC as bytes: a rush of them, or of refusals, cannot take the time of the work.
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            return work()
