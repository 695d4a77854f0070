"""Member of a consumer group: one Faust app that takes batches of one topic and acknowledges what is finished."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from faust.types import TP

from headwater.v1.topics import Topic
from runtime.health import Heartbeat
from runtime.record import Record
from runtime.settings import KafkaSettings
from runtime.topics import log_ids
from streams.consumer.app import faust_app
from streams.consumer.chunks import Chunk
from streams.consumer.continuity import Continuity, Gap
from streams.consumer.losses import Loss, RecordsLost, record_time
from streams.consumer.transport import unbroken_transport
from streams.settings import WorkerSettings

__all__ = ["Group", "Position", "RecordBatch"]

_log = structlog.get_logger(__name__)
_CHUNKS = 8  # that make up a batch: fewer, and partitions with few records would make small batches


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordBatch:
    """One batch: plain records, and by partition the offset behind the last one, which `Group.acknowledge` takes."""

    records: Sequence[Record]
    begins: Mapping[int, int]
    """For every assigned partition, the offset up to which all before this batch was handed out."""
    ends: Mapping[TP, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """How far one partition has come."""

    partition: int
    end: int
    """Offset behind the last record that may be read."""
    committed: int
    lag: int
    """Records that are not finished."""


class Group:
    """One topic, one app, one agent: Faust feeds all agents of an app in turn, and a full one would hold up the others."""

    def __init__(self, name: str, topic: Topic, *, kafka: KafkaSettings, settings: WorkerSettings, heartbeat: Heartbeat) -> None:
        self.name, self.topic = name, topic
        self._kafka, self._settings, self._heartbeat = kafka, settings, heartbeat
        self._observe_loss: Callable[[Loss], None] = lambda loss: None
        self._finished: dict[TP, int] = {}
        self._continuity: Continuity[TP] = Continuity()
        self._committed: dict[TP, int] = {}
        self._committed_at = 0.0
        self._ready = asyncio.Event()
        self._revoke_steps: list[Callable[[], Awaitable[None]]] = []
        self._assign_steps: list[Callable[[], Awaitable[None]]] = []
        self.app = faust_app(name, kafka=kafka, settings=settings, buffered=2 * _CHUNKS)
        self.app.transport = unbroken_transport(
            self.app,
            fetch_wait_seconds=settings.fetch_wait_seconds,
            chunk_size=max(settings.batch_size // _CHUNKS, 1),
            identify=lambda: log_ids(kafka, (topic.name,))[topic.name],
            positioned=self._continuity.begin,
        )
        self.app.on_partitions_revoked.connect(self._revoked)
        self.app.on_partitions_assigned.connect(self._assigned)

    def agent(self, body: Callable[[Any], Awaitable[None]]) -> None:
        """Registers the agent; its topic comes as raw records, tombstones included."""
        channel = self.app.topic(self.topic.name, key_serializer="raw", value_serializer="raw")
        self.app.agent(channel, name=self.name)(body)

    def on_revoked(self, step: Callable[[], Awaitable[None]]) -> None:
        """Registers what must end before partitions go to another worker, or the process ends."""
        self._revoke_steps.append(step)

    def on_assigned(self, step: Callable[[], Awaitable[None]]) -> None:
        """Registers what must happen before records of newly assigned partitions are taken."""
        self._assign_steps.append(step)

    def on_loss(self, observe: Callable[[Loss], None]) -> None:
        """Registers a callback for records that the log no longer has."""
        self._observe_loss = observe

    async def batches(self, stream: Any) -> AsyncIterator[RecordBatch]:
        """Batches of records, each partition's in order and without a record missing.

        What was buffered before a rebalance is left out: it is read again by whoever owns it now. Faust lets records flow while
        the steps of `on_assigned` are still under way, so each batch waits for them here. A batch may have no records: control
        records of transactions move the offsets, too.

        Raises:
            RecordsLost: retention deleted records before they were read, or the log lost its end.
        """
        async for events in stream.noack_take(_CHUNKS, within=self._settings.batch_within_seconds):
            await self._ready.wait()
            begins = {tp.partition: offset for tp, offset in self._continuity.expected.items()}
            chunks = await self._unbroken(events)
            if chunks:
                records = [_record(record) for _, chunk in chunks for record in chunk.records]
                yield RecordBatch(records=records, begins=begins, ends={tp: chunk.end for tp, chunk in chunks})

    async def rewind(self, offsets: Mapping[int, int]) -> None:
        """Reads these partitions again from there, as far as the log still goes back; what was fetched beyond is dropped."""
        consumer: Any = self.app.consumer
        back = {tp: offsets[tp.partition] for tp in consumer.assignment() if tp.partition in offsets}
        for tp, offset in back.items():
            first, end = await consumer.span(tp)
            if offset < first:
                gone = Loss(topic=tp.topic, partition=tp.partition, expected=offset, first=first, end=end, until=None)
                _log.error(
                    "records_lost", group=self.name, detail=str(gone), hint="the store was older than the log's first record"
                )
                self._observe_loss(gone)
                back[tp] = first
        self._continuity.move(back)
        await consumer.seek_wait(back)

    def acknowledge(self, ends: Mapping[TP, int]) -> None:
        """Lets the offsets before `ends` be committed: all records before them are finished."""
        for tp, end in ends.items():
            self.app.consumer.finish(tp, end)
        self.finish(ends)

    def finish(self, ends: Mapping[TP, int]) -> None:
        """Takes the records before `ends` out of the lag, although their offsets must not be committed yet."""
        for tp, end in ends.items():
            self._finished[tp] = max(end, self._finished.get(tp, 0))
        self._heartbeat.progress()

    async def end_batches(self) -> None:
        """Ends what is under way, for the partitions are going."""
        self._ready.clear()
        for step in self._revoke_steps:
            await step()
        self._continuity.begin({})

    def wait_for(self, what: str) -> None:
        """Nothing can be finished before another system answers; `what` says which, as text."""
        self._heartbeat.wait_for(what)

    def positions(self) -> list[Position]:
        """How far each assigned partition has come, as of the last fetch."""
        consumer: Any = self.app.consumer
        found = []
        for tp in consumer.assignment():
            end, committed = consumer.end_offset(tp), consumer._committed_offset[tp]
            finished = self._finished.get(tp, consumer.starts.get(tp))  # nothing need have been committed yet
            lag = 0 if end is None or finished is None else max(end - finished, 0)
            found.append(Position(partition=tp.partition, end=end or 0, committed=committed or 0, lag=lag))
        return found

    def commit_age(self) -> float:
        """Seconds since offsets were seen to move; 0 before the first time."""
        consumer: Any = self.app.consumer
        latest = dict(consumer._committed_offset)
        if latest != self._committed:
            self._committed, self._committed_at = latest, time.monotonic()
        return time.monotonic() - self._committed_at if self._committed_at else 0.0

    async def _unbroken(self, events: Sequence[Any]) -> list[tuple[TP, Chunk]]:
        """Chunks of the current assignment that follow on from what was handed out before.

        Faust drops what it holds when a rebalance interrupts it. Handling what lies behind such a gap would move a row's position
        past records that were never folded, so a partition with a gap is read again from there.
        """
        kept: list[tuple[TP, Chunk]] = []
        gaps: dict[TP, Gap] = {}
        for event in events:
            tp = event.message.tp
            if tp in gaps or event.message.generation_id != self.app.consumer_generation_id:
                continue
            taken = self._continuity.take(tp, event.value)
            if isinstance(taken, Gap):
                gaps[tp] = taken
            elif taken is not None:
                kept.append((tp, taken))
        for tp, gap in gaps.items():
            await self._close(tp, gap)
        return kept

    async def _close(self, tp: TP, gap: Gap) -> None:
        """Reads on from where the gap begins, or from behind what the log has lost."""
        offset = gap.expected
        if gap.out_of_range:
            first, end = await self.app.consumer.span(tp)
            if first <= offset <= end:
                return  # the broker has it by now
            offset = await self._lost(tp, offset, first, end)
            self._continuity.move({tp: offset})
            self.acknowledge({tp: offset})  # what is gone waits no longer
        else:
            _log.warning("records_read_again", group=self.name, partition=tp.partition, offset=offset)
        await self.app.consumer.seek_wait({tp: offset})

    async def _lost(self, tp: TP, expected: int, first: int, end: int) -> int:
        """Where to read on after records that are gone; raises RecordsLost where the settings say to stop."""
        at = await asyncio.to_thread(record_time, self._kafka, tp.topic, tp.partition, first) if expected < first else None
        lost = Loss(topic=tp.topic, partition=tp.partition, expected=expected, first=first, end=end, until=at)
        self._observe_loss(lost)
        if self.topic.compacted and not lost.truncated:
            _log.warning("records_lost", group=self.name, detail=str(lost))  # what is gone was replaced or deleted
        elif self._settings.lost_records == "stop" or lost.truncated:
            raise RecordsLost(f"{lost}. {lost.advice(self.name)}")
        else:
            _log.error("records_lost", group=self.name, detail=str(lost), hint="HEADWATER_WORKER_LOST_RECORDS=continue")
        return first

    async def _revoked(self, *_: object, **__: object) -> None:
        self._heartbeat.revoke()
        await self.end_batches()

    async def _assigned(self, *_: object, **__: object) -> None:
        self._finished.clear()
        for step in self._assign_steps:
            await step()
        self._ready.set()
        self._heartbeat.assign()
        starts = {tp.partition: start for tp, start in self.app.consumer.starts.items()}
        _log.info("partitions_assigned", group=self.name, partitions=len(self.app.consumer.assignment()), starts=str(starts))


def _record(record: Any) -> Record:
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        appended_at=record.timestamp / 1000.0,
    )
