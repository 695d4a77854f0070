"""Owns a consumer group's member: one Faust app that takes batches of one topic and acknowledges what is finished."""

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
from streams.consumer.transport import Chunk, unbroken_transport
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
    """Offset behind the last record in the log."""
    committed: int
    lag: int
    """Records that are not finished."""


class Group:
    """One topic, one app, one agent: Faust feeds all agents of an app in turn, and a full one would hold up the others."""

    def __init__(self, name: str, topic: Topic, *, kafka: KafkaSettings, settings: WorkerSettings, heartbeat: Heartbeat) -> None:
        self.name, self.topic = name, topic
        self._settings, self._heartbeat = settings, heartbeat
        self._finished: dict[TP, int] = {}
        self._expected: dict[TP, int] = {}
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

    async def batches(self, stream: Any) -> AsyncIterator[RecordBatch]:
        """Batches of records, each partition's in order and without a record missing.

        What was buffered before the partitions were dealt anew is left out: it is read again by whoever owns it now. Faust
        lets records flow while the steps of `on_assigned` are still under way, so each batch waits for them here.
        """
        async for events in stream.noack_take(_CHUNKS, within=self._settings.batch_within_seconds):
            await self._ready.wait()
            begins = {tp.partition: self._expected.get(tp, start) for tp, start in self.app.consumer.starts.items()}
            chunks = await self._unbroken(events)
            if chunks:
                records = [_record(record) for _, chunk in chunks for record in chunk.records]
                yield RecordBatch(records=records, begins=begins, ends={tp: chunk.end for tp, chunk in chunks})

    async def rewind(self, offsets: Mapping[int, int]) -> None:
        """Reads these partitions again from there; what was fetched beyond is dropped."""
        consumer: Any = self.app.consumer
        back = {tp: offsets[tp.partition] for tp in consumer.assignment() if tp.partition in offsets}
        self._expected.update(back)
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
        self._expected.clear()

    def wait_for(self, what: str) -> None:
        """Nothing can be finished before another system answers; `what` says which, in words."""
        self._heartbeat.wait_for(what)

    def positions(self) -> list[Position]:
        """How far each assigned partition has come, as of the last fetch."""
        consumer: Any = self.app.consumer
        found = []
        for tp in consumer.assignment():
            end, committed = consumer.highwater(tp), consumer._committed_offset[tp]
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
        """Chunks of the current assignment, up to where a partition jumps ahead: from there it is read again.

        Handling what lies behind a jump would move a row's position past records that were never folded. Within a chunk, which
        comes from one fetch, a jump is a hole that compaction left.
        """
        consumer: Any = self.app.consumer
        kept: list[tuple[TP, Chunk]] = []
        jumped: set[TP] = set()
        for event in events:
            tp, chunk = event.message.tp, event.value
            if tp in jumped or event.message.generation_id != self.app.consumer_generation_id:
                continue
            if tp not in consumer.starts:
                jumped.add(tp)  # fetched before it is known from where to read on
                continue
            expected = self._expected.get(tp, consumer.starts[tp])
            if chunk.first > expected and not await consumer.is_hole(tp, expected, chunk.first):
                _log.warning("records_read_again", group=self.name, partition=tp.partition, expected=expected, offset=chunk.first)
                jumped.add(tp)
                continue
            self._expected[tp] = max(expected, chunk.end)
            kept.append((tp, chunk))
        return kept

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
