"""Admission control: how many requests may be in flight, and in which order they get their turn of the work.

A request waits for its turn as the bytes that came: nothing is parsed, read or logged for one that is refused. It is refused only
where its turn would come too late for its caller, which is estimated by how fast requests were answered while others waited.
"""

import asyncio
import random
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from serving.api.errors import DeadlinePassed, Overloaded

__all__ = ["Admission"]

_PLACES = 8  # requests for each worker that are read and scored at once: while one waits for the store, another is scored
_FIRST_SECONDS = 0.005  # between two answers, until it has been measured
_LONGEST_SECONDS = 1.0  # between two answers; a longer time counts as this
_NEWEST_SHARE = 0.05
_REFUSALS_PER_SECOND, _REFUSALS_AT_ONCE = 200.0, 50.0
_SHORTEST_RETRY_SECONDS = 0.05


class Admission:
    """Counts and orders the requests of one process; for its event loop alone.

    Clients take turns, one request each, so that one client's many requests delay another's few by little.
    """

    def __init__(self, *, max_in_flight: int, workers: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: `workers` do the work side by side."""
        self.in_flight = 0
        """Requests that were admitted and have not ended, those that wait among them."""
        self._max_in_flight, self._places = max_in_flight, _PLACES * workers
        self._free = self._places
        self._clock = clock
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By client, in the order in which clients get their next turn."""
        self._waiting_count = 0
        self._seconds_each, self._ended_at = _FIRST_SECONDS, clock()
        self._next_refusal = 0.0

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Counts a request as in flight.

        Raises:
            Overloaded: too many are.
        """
        if self.in_flight >= self._max_in_flight:
            wait = self._waiting_count * self._seconds_each
            raise Overloaded(
                f"{self._max_in_flight} requests are in flight, which is all this server takes: retry with backoff",
                retry_seconds=_retry_seconds(wait),
            )
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    @asynccontextmanager
    async def turn(self, client: str, seconds: float) -> AsyncIterator[None]:
        """A turn of the work, within the `seconds` that the caller has left; held until the work is done.

        Raises:
            Overloaded: the turn would come too late.
            DeadlinePassed: it did not come in time, although it should have.
        """
        if self._free > 0 and not self._waiting_count:
            self._free -= 1
        else:
            await self._wait(client, seconds)
        try:
            yield
        finally:
            if self._waiting_count:
                took = min(self._clock() - self._ended_at, _LONGEST_SECONDS)
                self._seconds_each += _NEWEST_SHARE * (took - self._seconds_each)
            self._ended_at = self._clock()
            self._pass_on()

    async def refusal(self, seconds: float) -> None:
        """Returns when the next refusal may be sent, at the latest when its caller has little of its `seconds` left.

        A caller that sends a refused request again at once would otherwise take the time that answers need.
        """
        now = self._clock()
        self._next_refusal = max(self._next_refusal, now - _REFUSALS_AT_ONCE / _REFUSALS_PER_SECOND) + 1.0 / _REFUSALS_PER_SECOND
        if self._next_refusal > now:
            await asyncio.sleep(min(self._next_refusal - now, max(0.0, 0.8 * seconds)))

    async def _wait(self, client: str, seconds: float) -> None:
        queue = self._waiting.get(client)
        clients = len(self._waiting) + (queue is None)
        ahead = min(self._waiting_count, (0 if queue is None else len(queue)) * clients + clients - 1)
        wait = (ahead + 1 + self._places) * self._seconds_each
        if wait > seconds:
            raise Overloaded(
                f"about {wait:.3f} s of work waits before this request: retry with backoff, or run more servers",
                retry_seconds=_retry_seconds(wait - seconds),
            )
        arrived, mine = self._clock(), asyncio.get_running_loop().create_future()
        if queue is None:
            queue = self._waiting[client] = deque()
        queue.append(mine)
        self._waiting_count += 1
        try:
            async with asyncio.timeout(seconds):
                await mine
        except (asyncio.CancelledError, TimeoutError) as error:
            if mine.done() and not mine.cancelled():  # its turn came in the same moment
                self._pass_on()
            else:
                self._leave(client, mine)
            if isinstance(error, TimeoutError):
                raise DeadlinePassed(f"no turn within {seconds:.3f} s: allow more time, or run more servers") from error
            raise
        if self._clock() + self._places * self._seconds_each > arrived + seconds:
            self._pass_on()
            raise Overloaded(
                "the work before this request took longer than expected: retry with backoff, or run more servers",
                retry_seconds=_retry_seconds(self._waiting_count * self._seconds_each),
            )

    def _leave(self, client: str, mine: "asyncio.Future[None]") -> None:
        queue = self._waiting.get(client)
        if queue is None or mine not in queue:  # passed over already
            return
        queue.remove(mine)
        self._waiting_count -= 1
        if not queue:
            del self._waiting[client]

    def _pass_on(self) -> None:
        """Gives a turn that has ended to the next client that still waits."""
        while self._waiting:
            client, queue = self._waiting.popitem(last=False)
            mine = queue.popleft()
            if queue:
                self._waiting[client] = queue
            self._waiting_count -= 1
            if not mine.done():  # cancelled, and not yet told so
                mine.set_result(None)
                return
        self._free += 1


def _retry_seconds(seconds: float) -> float:
    """When a refused caller should come again: not all of them in the same moment."""
    return max(_SHORTEST_RETRY_SECONDS, seconds) * random.uniform(1.0, 1.5)
