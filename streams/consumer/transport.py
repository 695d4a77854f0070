"""Faust's Kafka transport, reading promptly, in chunks, committed records only, and without losing records.

Six things are changed here, each seen with faust-streaming 0.15.3 and aiokafka 0.14:

- Faust makes two tasks for each record that it hands to an agent, which costs more than folding it. Records travel through it in
  chunks: one message for a run of records of one partition, with the offsets between which it was read.
- Faust fixes 1.5 s as the time a fetch may wait. Brokers that answer only when the wait is over (the embedded one does) would
  make that the latency of every event.
- Faust reads aborted transactions unless it writes transactions itself.
- After an assignment Faust goes back to the committed offsets, but aiokafka leaves a partition where it is when nothing was
  committed yet: records fetched too early are gone.
- When the partitions go, Faust commits what is finished, even if the log behind them has been created again meanwhile: offsets of
  the old log would then hide the first records of the new one. The embedded broker takes such commits.
- Faust takes every jump in the offsets for a hole in the log, and commits past what it never handed out.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import structlog
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

from streams.consumer.chunks import Chunk, fetched_chunks

__all__ = ["prompt_transport", "unbroken_transport"]

_log = structlog.get_logger(__name__)


class PromptConsumer(Consumer):
    """Faust's own consumer, less the long wait."""

    fetch_wait_seconds: float

    def _new_consumer_thread(self) -> Any:
        return _PromptThread(self, loop=self.loop, beacon=self.beacon)


class UnbrokenConsumer(PromptConsumer):
    """A consumer that knows from where each partition is read on, and hands out chunks."""

    chunk_size: int
    identify: Callable[[], int]
    positioned: Callable[[Mapping[TP, int]], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.starts: dict[TP, int] = {}
        """By partition, the offset that reading goes on from since the last assignment."""
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
        self.positioned(self.starts)
        # What was fetched meanwhile was dropped, since nobody knew yet where reading starts: it is fetched again.
        await self.seek_wait(self.starts)
        return committed

    async def span(self, tp: TP) -> tuple[int, int]:
        """Offset of the first record that the broker has, and the one behind the last."""
        earliest, latest = await asyncio.gather(self.earliest_offsets(tp), self.highwaters(tp))
        return int(earliest[tp]), int(latest[tp])

    def end_offset(self, tp: TP) -> int | None:
        """Offset behind the last record that may be read, as of the last fetch: open transactions hold back what follows them."""
        consumer: Any = self._thread._consumer
        stable = consumer.last_stable_offset(tp)
        return int(stable) if stable is not None and stable >= 0 else consumer.highwater(tp)

    def _new_consumer_thread(self) -> Any:
        return _ChunkThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109  Faust's own signature
        fetched = await super()._getmany(active_partitions, timeout)
        return {tp: list(chunk.split(self.chunk_size)) for tp, chunk in cast("Mapping[TP, Chunk]", fetched).items()}

    def _to_message(self, tp: TP, record: Chunk) -> Any:
        last = record.records[-1] if record.records else _ControlRecord(tp.topic, tp.partition, record.end)
        message: Any = super()._to_message(tp, last)
        message.key, message.value = None, record
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Holes in the log are nothing to acknowledge: chunks say where they end."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(tuple(self._finished))

    def _new_offset(self, tp: TP) -> int | None:
        return self._finished.get(tp)


class _ControlRecord:
    """Stands in for the last record of a chunk that has none."""

    timestamp = timestamp_type = key = value = checksum = None
    headers: tuple[()] = ()
    serialized_key_size = serialized_value_size = -1

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        self.topic, self.partition, self.offset = topic, partition, offset


class _PromptThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        assert isinstance(self.consumer, PromptConsumer)
        # Both are read when the consumer starts.
        consumer._fetch_max_wait_ms = int(self.consumer.fetch_wait_seconds * 1000)
        consumer._isolation_level = "read_committed"
        return consumer


class _ChunkThread(_PromptThread):
    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP] | None,
        timeout: float | None = None,  # noqa: ASYNC109  Faust's own signature
        max_records: int | None = None,
    ) -> Any:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            return await fetched_chunks(fetcher, active_partitions, timeout or 0.0, max_records)


def prompt_transport(app: Any, *, fetch_wait_seconds: float) -> Transport:
    """A transport for `app` whose fetches wait at most so long for records, and else Faust's own."""
    return _transport(app, PromptConsumer, fetch_wait_seconds=fetch_wait_seconds)


def unbroken_transport(
    app: Any,
    *,
    fetch_wait_seconds: float,
    chunk_size: int,
    identify: Callable[[], int],
    positioned: Callable[[Mapping[TP, int]], None],
) -> Transport:
    """The same with all the changes above; its messages carry chunks of at most `chunk_size` records.

    Args:
        identify: asks the broker for the id of the log, and may block.
        positioned: is called after each assignment with the offsets that reading goes on from.
    """
    return _transport(
        app,
        UnbrokenConsumer,
        fetch_wait_seconds=fetch_wait_seconds,
        chunk_size=chunk_size,
        identify=staticmethod(identify),
        positioned=staticmethod(positioned),
    )


def _transport(app: Any, kind: type[PromptConsumer], **options: Any) -> Transport:
    # Faust makes the consumer itself, from the transport's class attribute.
    return type("Transport", (Transport,), {"Consumer": type(kind.__name__, (kind,), options)})(  # type: ignore[no-any-return]  # a class made by `type` is Any
        app.conf.broker_consumer, app
    )
