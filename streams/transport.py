"""Owns how Faust reads a partition: promptly, and without losing records where Faust would.

Three things are mended here, each seen with faust-streaming 0.15.3 and aiokafka 0.14:

- Faust fixes 1.5 s as the time a fetch may wait. Brokers that answer only when the wait is over (the embedded one does) would
  make that the latency of every event.
- After an assignment Faust goes back to the committed offsets, but aiokafka leaves a partition where it is when nothing was
  committed yet: records fetched too early are gone.
- Faust takes every jump in the offsets for a hole in the log, and commits past what it never handed out.
"""

from collections.abc import Mapping
from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

__all__ = ["UnbrokenConsumer", "unbroken_transport"]


class UnbrokenConsumer(Consumer):
    """A consumer that knows from where each partition must be read on, and tells holes in the log from lost records."""

    fetch_wait_seconds: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.starts: dict[TP, int] = {}
        """By partition, the offset that reading goes on from since the last assignment."""
        self._doubted: dict[TP, tuple[int, int]] = {}

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Goes back to the committed offsets, or to the beginning where there are none."""
        committed = await super().seek_to_committed()
        fresh = [tp for tp, offset in committed.items() if not offset]
        beginnings = await self.earliest_offsets(*fresh) if fresh else {}
        if fresh:
            await self.seek_wait(beginnings)
        self.starts = {tp: offset or beginnings[tp] for tp, offset in committed.items()}
        return committed

    async def is_hole(self, tp: TP, first: int, following: int) -> bool:
        """Whether the log holds nothing from offset `first` to before `following`, such as after compaction.

        It is read again from `first` when this is asked for the first time; only if the same record follows again is it a
        hole, and may be committed past.
        """
        if self._doubted.pop(tp, None) == (first, following):
            await super()._add_gap(tp, first, following - 1)
            return True
        self._doubted[tp] = first, following
        await self.seek_wait({tp: first})
        return False

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Holes are recognised by `is_hole` alone."""

    def _new_consumer_thread(self) -> Any:
        return _PromptThread(self, loop=self.loop, beacon=self.beacon)


class _PromptThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        assert isinstance(self.consumer, UnbrokenConsumer)
        consumer._fetch_max_wait_ms = int(self.consumer.fetch_wait_seconds * 1000)  # read when the consumer starts
        return consumer


def unbroken_transport(app: Any, *, fetch_wait_seconds: float) -> Transport:
    """A transport for `app` whose fetches wait at most `fetch_wait_seconds` for records."""
    waits = {"fetch_wait_seconds": fetch_wait_seconds}
    consumer = type("Consumer", (UnbrokenConsumer,), waits)
    return type("Transport", (Transport,), {"Consumer": consumer})(app.conf.broker_consumer, app)  # type: ignore[no-any-return]
