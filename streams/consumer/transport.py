"""Owns how Faust reads a partition: promptly, in chunks, and without losing records where Faust would.

Five things are mended here, each seen with faust-streaming 0.15.3 and aiokafka 0.14:

- Faust makes two tasks for each record that it hands to an agent, which costs more than folding it. Records travel through it in
  chunks: one message for a run of records of one partition.
- Faust fixes 1.5 s as the time a fetch may wait. Brokers that answer only when the wait is over (the embedded one does) would
  make that the latency of every event.
- After an assignment Faust goes back to the committed offsets, but aiokafka leaves a partition where it is when nothing was
  committed yet: records fetched too early are gone.
- When the partitions go, Faust commits what is finished, even if the log behind them has been created anew meanwhile: offsets of
  the old log would then hide the first records of the new one. The embedded broker takes such commits.
- Faust takes every jump in the offsets for a hole in the log, and commits past what it never handed out.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

__all__ = ["Chunk", "prompt_transport", "unbroken_transport"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition as they follow each other in the log; what a message of Faust carries as its value."""

    records: Sequence[Any]

    @property
    def first(self) -> int:
        """Offset of the first record."""
        return int(self.records[0].offset)

    @property
    def end(self) -> int:
        """Offset behind the last record."""
        return int(self.records[-1].offset) + 1


class PromptConsumer(Consumer):
    """Faust's own consumer, less the long wait."""

    fetch_wait_seconds: float

    def _new_consumer_thread(self) -> Any:
        return _PromptThread(self, loop=self.loop, beacon=self.beacon)


class UnbrokenConsumer(PromptConsumer):
    """A consumer that knows from where each partition must be read on, and tells holes in the log from lost records."""

    chunk_size: int
    identify: Callable[[], int]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.starts: dict[TP, int] = {}
        """By partition, the offset that reading goes on from since the last assignment."""
        self._doubted: dict[TP, tuple[int, int]] = {}
        self._finished: dict[TP, int] = {}
        self._log_id: int | None = None

    def finish(self, tp: TP, end: int) -> None:
        """Lets the offsets before `end` be committed; whoever calls this takes each partition in order."""
        self._finished[tp] = max(end, self._finished.get(tp, 0))

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Goes back to the committed offsets; to the beginning where there are none, or the log is another than before."""
        committed: dict[TP, Any] = dict(await super().seek_to_committed())
        known, self._log_id = self._log_id, await asyncio.to_thread(self.identify)
        if known not in (None, self._log_id):
            _log.warning("log_is_new", topics=sorted({tp.topic for tp in committed}), hint="read from its beginning")
            committed = dict.fromkeys(committed)
            self._committed_offset.update(committed)
        fresh = [tp for tp, offset in committed.items() if not offset]
        beginnings = await self.earliest_offsets(*fresh) if fresh else {}
        if fresh:
            await self.seek_wait(beginnings)
        self._finished.clear()
        self.starts = {tp: offset or beginnings[tp] for tp, offset in committed.items()}
        return committed

    async def is_hole(self, tp: TP, first: int, following: int) -> bool:
        """Whether the log holds nothing from offset `first` to before `following`, such as after compaction.

        It is read again from `first` when this is asked for the first time; only if the same record follows again is it a
        hole.
        """
        if self._doubted.pop(tp, None) == (first, following):
            return True
        self._doubted[tp] = first, following
        await self.seek_wait({tp: first})
        return False

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109  Faust's own signature
        fetched, size = await super()._getmany(active_partitions, timeout), self.chunk_size
        return {
            tp: [Chunk(records[start : start + size]) for start in range(0, len(records), size)]
            for tp, records in fetched.items()
        }

    def _to_message(self, tp: TP, record: Chunk) -> Any:
        message: Any = super()._to_message(tp, record.records[-1])
        message.key, message.value = None, record
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Holes are recognised by `is_hole` alone."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(tuple(self._finished))

    def _new_offset(self, tp: TP) -> int | None:
        return self._finished.get(tp)


class _PromptThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        assert isinstance(self.consumer, PromptConsumer)
        consumer._fetch_max_wait_ms = int(self.consumer.fetch_wait_seconds * 1000)  # read when the consumer starts
        return consumer


def prompt_transport(app: Any, *, fetch_wait_seconds: float) -> Transport:
    """A transport for `app` whose fetches wait at most so long for records, and else Faust's own."""
    return _transport(app, PromptConsumer, fetch_wait_seconds=fetch_wait_seconds)


def unbroken_transport(app: Any, *, fetch_wait_seconds: float, chunk_size: int, identify: Callable[[], int]) -> Transport:
    """The same with all that is mended here; its messages carry chunks of at most `chunk_size` records.

    `identify` asks the broker for the id of the log, and may block.
    """
    options = {"fetch_wait_seconds": fetch_wait_seconds, "chunk_size": chunk_size, "identify": staticmethod(identify)}
    return _transport(app, UnbrokenConsumer, **options)


def _transport(app: Any, kind: type[PromptConsumer], **options: Any) -> Transport:
    # Faust makes the consumer itself, from the transport's class attribute.
    return type("Transport", (Transport,), {"Consumer": type(kind.__name__, (kind,), options)})(  # type: ignore[no-any-return]  # a class made by `type` is Any
        app.conf.broker_consumer, app
    )
