"""Member of a consumer group: one Faust app that takes batches of one topic and acknowledges what is finished."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from faust.types import TP
from kafka.errors import KafkaError

from headwater.v1.topics import Topic
from runtime.broker.errors import BrokerError
from runtime.commit_note import CommitNote
from runtime.health import Heartbeat
from runtime.record import Record
from runtime.settings import KafkaSettings
from runtime.topics import Log, LogError, logs
from streams.consumer.app import faust_app
from streams.consumer.chunks import Chunk
from streams.consumer.continuity import Continuity, Gap
from streams.consumer.losses import Loss, RecordsLost, record_time
from streams.consumer.transport import unbroken_transport
from streams.settings import WorkerSettings

__all__ = ["Group", "Position", "RecordBatch"]

_log = structlog.get_logger(__name__)
_LOOK_SECONDS = 5.0
_ABSENT_SECONDS = 2.0
_UNHEARD_SECONDS = 10.0  # a fetch is answered within a second, but its broker may be busy
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
    lag: float
    """Records that are not finished; NaN while the broker does not tell."""


class Group:
    """One topic, one app, one agent: Faust feeds all agents of an app in turn, and a full one would hold up the others."""

    def __init__(self, name: str, topic: Topic, *, kafka: KafkaSettings, settings: WorkerSettings, heartbeat: Heartbeat) -> None:
        self.name, self.topic = name, topic
        self.log_id: int | None = None
        """Id of the topic as of the last assignment; None where there was none, or the broker does not tell."""
        self._kafka, self._settings, self._heartbeat = kafka, settings, heartbeat
        self._observe_loss: Callable[[Loss], None] = lambda loss: None
        self._finished: dict[TP, int] = {}
        self._continuity: Continuity[TP] = Continuity()
        self._read_until: dict[TP, float] = {}
        self._committed: dict[TP, int] = {}
        self._committed_at = 0.0
        self._partitions = 0
        self._outdated = False
        self._joined = False
        self._identified_in = -1
        self._identifying = asyncio.Lock()
        self._ready = asyncio.Event()
        self._needed: Callable[[], Awaitable[Mapping[int, int]]] | None = None
        self._revoke_steps: list[Callable[[], Awaitable[None]]] = []
        self._assign_steps: list[Callable[[], Awaitable[None]]] = []
        self.app = faust_app(name, kafka=kafka, settings=settings, buffered=2 * _CHUNKS)
        self.app.transport = unbroken_transport(
            self.app,
            fetch_wait_seconds=settings.fetch_wait_seconds,
            chunk_size=max(settings.batch_size // _CHUNKS, 1),
            identify=self._identify,
            needed=self._ask_needed,
            positioned=self._continuity.begin,
        )
        self.app.on_partitions_revoked.connect(self._revoked)
        self.app.on_partitions_assigned.connect(self._assigned)

    def log(self) -> int:
        """`log_id` for who is called with records in hand, so that it is known."""
        assert self.log_id is not None
        return self.log_id

    def agent(self, body: Callable[[Any], Awaitable[None]]) -> None:
        """Registers the agent; its topic comes as raw records, tombstones included."""
        channel = self.app.topic(self.topic.name, key_serializer="raw", value_serializer="raw")
        self.app.agent(channel, name=self.name)(body)

    @property
    def owns_partitions(self) -> bool:
        """Whether any partition is assigned."""
        return self._joined and bool(self.app.consumer.assignment())

    def on_revoked(self, step: Callable[[], Awaitable[None]]) -> None:
        """Registers what must end before partitions go to another worker, or the process ends."""
        self._revoke_steps.append(step)

    def on_assigned(self, step: Callable[[], Awaitable[None]]) -> None:
        """Registers what must happen before records of newly assigned partitions are taken."""
        self._assign_steps.append(step)

    def start_from(self, needed: Callable[[], Awaitable[Mapping[int, int]]]) -> None:
        """Registers what gives by partition, once the log is known and before any record comes, from where records are needed."""
        self._needed = needed

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
        """Reads these partitions again from there; what was fetched beyond is dropped.

        But not from before where an operator has set the group to, nor from before the log's first record.
        """
        consumer: Any = self.app.consumer
        floors = {tp: consumer.starts[tp] for tp, note in consumer.notes.items() if note.moved and tp in consumer.starts}
        assigned = [tp for tp in consumer.assignment() if tp.partition in offsets]
        back = {tp: max(offsets[tp.partition], floors.get(tp, 0)) for tp in assigned}
        for tp, offset in back.items():
            first, end = await consumer.span(tp)
            if offset < first:
                gone = Loss(
                    topic=tp.topic, partition=tp.partition, expected=offset, first=first, end=end, after=None, before=None
                )
                _log.error(
                    "records_lost", group=self.name, detail=str(gone), hint="the store was older than the log's first record"
                )
                self._observe_loss(gone)
                back[tp] = first
        self._finished |= back
        await self._seek(back)

    def acknowledge(self, ends: Mapping[TP, int]) -> None:
        """Lets the offsets before `ends` be committed: all records before them are finished."""
        for tp, end in ends.items():
            self.app.consumer.finish(tp, end, self._read_until.get(tp))
        self.finish(ends)

    def finish(self, ends: Mapping[TP, int]) -> None:
        """Takes the records before `ends` out of the lag, although their offsets must not be committed yet."""
        moved = {tp: end for tp, end in ends.items() if end > self._finished.get(tp, -1)}
        self._finished |= moved
        if moved:
            self._heartbeat.progress()

    async def end_batches(self) -> None:
        """Ends what is under way, for the partitions are going."""
        self._ready.clear()
        for step in self._revoke_steps:
            await step()
        self._continuity.begin({})
        self._read_until.clear()

    def wait_for(self, what: str) -> None:
        """Nothing can be finished before another system answers; `what` says which, as text."""
        self._heartbeat.wait_for(what)

    def positions(self) -> list[Position]:
        """How far each assigned partition has come, as of the last fetch, which must have been answered lately."""
        consumer: Any = self.app.consumer
        found = []
        for tp in consumer.assignment() if self._joined else ():
            end, committed = consumer.end_offset(tp), consumer._committed_offset[tp]
            finished = self._finished.get(tp, consumer.starts.get(tp))  # nothing need have been committed yet
            known = end is not None and finished is not None and consumer.unheard_seconds(tp) <= _UNHEARD_SECONDS
            lag = max(end - finished, 0) if known else math.nan
            found.append(Position(partition=tp.partition, end=end or 0, committed=committed or 0, lag=lag))
        return found

    def lag(self) -> float:
        """Records of the assigned partitions that are not finished; NaN where no broker tells, or partitions are missing."""
        if not self._heartbeat.assigned or self._outdated:
            return math.nan
        return math.fsum(position.lag for position in self.positions())

    def commit_age(self) -> float:
        """Seconds since offsets were seen to move; 0 before the first time."""
        if not self._joined:
            return 0.0
        consumer: Any = self.app.consumer
        latest = dict(consumer._committed_offset)
        if latest != self._committed:
            self._committed, self._committed_at = latest, time.monotonic()
        return time.monotonic() - self._committed_at if self._committed_at else 0.0

    async def watch_log(self) -> None:
        """Notices a topic that was created again, or is back, and a changed number of partitions; runs until cancelled.

        The client looks every half minute on its own, and does not see that a topic is another by now.
        """
        while True:
            await asyncio.sleep(_LOOK_SECONDS if self._ready.is_set() else _ABSENT_SECONDS)
            if not self._joined or self.app.rebalancing or (log := await self._ask_log()) is None:
                continue
            consumer: Any = self.app.consumer
            known = self.log_id if consumer.starts else None
            if consumer.assignment() and log.id != known:
                _log.warning("log_is_new" if known else "log_is_back", group=self.name, topic=self.topic.name)
                await self._rejoin()
            elif log.partitions != self._partitions:
                self._note_partitions(log.partitions)
                await consumer.update_metadata()  # the client then lets the group be assigned again

    async def _rejoin(self) -> None:
        """Lets the group be assigned again and the log be asked for: a new broker may give the same generation once more."""
        self._identified_in = -1
        await self.app.consumer.rejoin()

    def _note_partitions(self, now: int) -> None:
        if not self._outdated:
            _log.warning(
                "partitions_changed",
                group=self.name,
                topic=self.topic.name,
                before=self._partitions,
                now=now,
                hint="keys move to other partitions: docs/runbooks/WrongPartition.md"
                if self._partitions
                else "the topic is back",
            )
        self._outdated = True

    async def _identify(self) -> int | None:
        """The topic's id, asked for once an assignment."""
        async with self._identifying:
            if self._identified_in != self.app.consumer_generation_id or self.log_id is None:
                log = await self._ask_log()
                self.log_id = None if log is None else log.id
                self._identified_in = self.app.consumer_generation_id
            return self.log_id

    async def _ask_needed(self) -> Mapping[int, int]:
        return {} if self._needed is None else await self._needed()

    async def _ask_log(self) -> Log | None:
        try:
            return (await asyncio.to_thread(logs, self._kafka, (self.topic.name,)))[self.topic.name]
        except (LogError, BrokerError, KafkaError) as error:
            _log.warning("log_not_known", group=self.name, error=str(error))
            if not self._ready.is_set():
                self._heartbeat.wait_for(str(error))
            return None

    async def _unbroken(self, events: Sequence[Any]) -> list[tuple[TP, Chunk]]:
        """Chunks of the current assignment that follow on from what was handed out before.

        Faust drops what it holds when a rebalance interrupts it. Handling what lies behind such a gap would move a row's position
        past records that were never folded, so a partition with a gap is read again from there.
        """
        kept: list[tuple[TP, Chunk]] = []
        for event in events:
            tp, chunk = event.message.tp, event.value
            if chunk.generation != self.app.consumer_generation_id:
                continue
            taken = self._continuity.take(tp, chunk)
            if isinstance(taken, Gap):
                taken = await self._close(tp, taken)
            if taken is not None:
                kept.append((tp, taken))
                if taken.records:
                    self._read_until[tp] = taken.records[-1].timestamp / 1000.0
        return kept

    async def _close(self, tp: TP, gap: Gap) -> Chunk | None:
        """Reads on from where the gap begins, or from behind what the log has lost; that part is a chunk without records."""
        offset, lost = gap.expected, None
        if gap.out_of_range:
            log = await self._ask_log()
            if log is None or log.id != self.log_id:
                await self._rejoin()
                return None
            first, end = await self.app.consumer.span(tp)
            if not first <= offset <= end:
                await self._lose(tp, offset, first, end)
                lost, offset = Chunk((), offset, first), first
        else:
            _log.warning("records_read_again", group=self.name, partition=tp.partition, offset=offset)
        await self._seek({tp: offset})
        return lost

    async def _seek(self, offsets: Mapping[TP, int]) -> None:
        self._continuity.move(offsets, await self.app.consumer.seek_and_count(offsets))

    async def _lose(self, tp: TP, expected: int, first: int, end: int) -> None:
        """Reports records that are gone; raises RecordsLost where the settings say to stop."""
        before = await asyncio.to_thread(record_time, self._kafka, tp.topic, tp.partition, first) if expected < first else None
        lost = Loss(
            topic=tp.topic,
            partition=tp.partition,
            expected=expected,
            first=first,
            end=end,
            after=self._read_until.get(tp, self.app.consumer.notes.get(tp, CommitNote()).appended_at),
            before=before,
        )
        self._observe_loss(lost)
        if self.topic.compacted and not lost.truncated:
            _log.warning("records_lost", group=self.name, detail=str(lost))  # what is gone was replaced or deleted
        elif self._settings.lost_records == "stop" or lost.truncated:
            raise RecordsLost(self.name, lost)
        else:
            _log.error("records_lost", group=self.name, detail=str(lost), hint="HEADWATER_WORKER_LOST_RECORDS=continue")

    async def _revoked(self, *_: object, **__: object) -> None:
        self._heartbeat.revoke()
        await self.end_batches()

    async def _assigned(self, *_: object, **__: object) -> None:
        self._joined = True
        consumer: Any = self.app.consumer
        assigned = consumer.assignment()
        self._partitions, self._outdated = consumer.partitions(self.topic.name), False
        if assigned and await self._identify() is None:
            return  # `watch_log` lets the group be assigned again once the topic is there
        self._finished.clear()
        for step in self._assign_steps:
            await step()
        self._ready.set()
        self._heartbeat.assign()
        _log.info("partitions_assigned", group=self.name, partitions=sorted(tp.partition for tp in assigned))


def _record(record: Any) -> Record:
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        appended_at=record.timestamp / 1000.0,
    )
