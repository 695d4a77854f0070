"""Faust's Kafka transport, reading promptly, in chunks, committed records only, and without losing records.

These things are changed here, each seen with faust-streaming 0.15.3 and aiokafka 0.14:

- Faust makes two tasks for each record that it hands to an agent, which costs more than folding it. Records travel through it in
  chunks: one message for a run of records of one partition, with the offsets between which it was read.
- Faust fixes 1.5 s as the time a fetch may wait. Brokers that answer only when the wait is over (the embedded one does) would
  make that the latency of every event.
- Faust reads aborted transactions unless it writes transactions itself.
- After an assignment Faust goes back to the committed offsets, but aiokafka leaves a partition where it is when nothing was
  committed yet: records fetched too early are gone.
- When the partitions go, Faust commits what is finished, even if the log behind them has been created again meanwhile: offsets of
  the old log would then hide the first records of the new one. The embedded broker takes such commits.
- Faust takes every jump in the offsets for a hole in the log, and commits past what it never handed out; it drops what is read
  again, and what it fetched while an assignment was under way.
- Faust ends the process when a commit fails, such as of a topic that was deleted.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import structlog
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, ConsumerMessage

from runtime.commit_note import CommitNote
from streams.consumer.chunks import Chunk, fetched_chunks

__all__ = ["prompt_transport", "unbroken_transport"]

_log = structlog.get_logger(__name__)
_COMMIT_SECONDS = 3.0


class PromptConsumer(Consumer):
    """Faust's own consumer, less the long wait."""

    fetch_wait_seconds: float

    def _new_consumer_thread(self) -> Any:
        return _PromptThread(self, loop=self.loop, beacon=self.beacon)


class UnbrokenConsumer(PromptConsumer):
    """A consumer that knows from where each partition is read on, and hands out chunks."""

    chunk_size: int
    identify: Callable[[], Awaitable[int | None]]
    needed: Callable[[], Awaitable[Mapping[int, int]]]
    positioned: Callable[[Mapping[TP, int]], None]
    _thread: "_ChunkThread"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.starts: dict[TP, int] = {}
        """By partition, the offset that reading goes on from since the last assignment."""
        self.notes: dict[TP, CommitNote] = {}
        """What was noted beside those offsets that had been committed."""
        self._finished: dict[TP, int] = {}
        self._log_id: int | None = None
        self._read_offset = _NeverRead()

    def finish(self, tp: TP, end: int, appended_at: float | None = None) -> None:
        """Lets the offsets before `end` be committed; whoever calls this takes each partition in order.

        Args: `appended_at` is when the last record before `end` was appended, Unix seconds.
        """
        if end > self._finished.get(tp, -1):
            self._finished[tp] = end
            self._thread.notes[tp] = CommitNote(log=self._log_id, appended_at=appended_at)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Goes back to the committed offsets; to the beginning where there are none, or they were of another log.

        It goes back further where the group needs earlier records, unless an operator has set it to where it is.
        Nothing is read while the broker does not tell; `starts` is empty then, and the group must be assigned again.
        """
        assigned, known = self.assignment(), self._log_id
        self._finished.clear()
        self._thread.notes.clear()
        self.starts = {}
        log = await self.identify() if assigned else None
        if log is not None:
            self._log_id = log
            try:
                starts = await self._starts(assigned, log, known)
                self.starts = self._not_behind(starts, await self.needed())
            except KafkaError as error:
                _log.warning("offsets_not_known", partitions=sorted(tp.partition for tp in assigned), error=repr(error))
        # First, so that nothing is dropped that is fetched at once: what was fetched before the seek comes again.
        self.positioned(self.starts)
        await self.seek_wait(self.starts)
        return dict(self.starts)

    async def rejoin(self) -> None:
        """Lets the group assign its partitions again."""
        await self._thread.call_thread(self._thread.rejoin)

    async def update_metadata(self) -> None:
        """Lets the client look at the topics now."""
        await self._thread.call_thread(self._thread.update_metadata)

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has, as of this client's last look."""
        return len(self._thread._ensure_consumer().partitions_for_topic(topic) or ())

    async def seek_and_count(self, offsets: Mapping[TP, int]) -> dict[TP, int]:
        """Reads on from there; returns `Chunk.seeks` of what is fetched from now on."""
        await self.seek_wait(offsets)
        return {tp: self._thread.seeks[tp] for tp in offsets}

    async def _starts(self, assigned: set[TP], log: int, known: int | None) -> dict[TP, int]:
        committed = await self._thread.call_thread(self._thread.committed, assigned)
        notes = {tp: CommitNote.parse(one.metadata) for tp, one in committed.items()}
        self.notes = {tp: note for tp, note in notes.items() if (note.log or known or log) == log}
        if others := notes.keys() - self.notes.keys():
            _log.warning("log_is_new", topics=sorted({tp.topic for tp in others}), hint="read from its beginning")
            self._committed_offset.update(dict.fromkeys(others))
        fresh = assigned - self.notes.keys()
        beginnings = await self.earliest_offsets(*fresh) if fresh else {}
        return {tp: int(committed[tp].offset if tp in self.notes else beginnings[tp]) for tp in assigned}

    def _not_behind(self, starts: dict[TP, int], needed: Mapping[int, int]) -> dict[TP, int]:
        back = {
            tp: needed[tp.partition]
            for tp, start in starts.items()
            if needed.get(tp.partition, start) < start and not self.notes.get(tp, CommitNote()).moved
        }
        if back:
            _log.warning("checkpoint_is_behind", read_again_from=str(back), was_at=str(starts))
        return starts | back

    async def span(self, tp: TP) -> tuple[int, int]:
        """Offset of the first record that the broker has, and the one behind the last."""
        earliest, latest = await asyncio.gather(self.earliest_offsets(tp), self.highwaters(tp))
        return int(earliest[tp]), int(latest[tp])

    def end_offset(self, tp: TP) -> int | None:
        """Offset behind the last record that may be read, as of the last fetch: open transactions hold back what follows them."""
        consumer: Any = self._thread._consumer
        stable = consumer.last_stable_offset(tp)
        return int(stable) if stable is not None and stable >= 0 else consumer.highwater(tp)

    def unheard_seconds(self, tp: TP) -> float:
        """Time since a fetch of this partition was answered; 0 while records of it wait here, since none is sent then."""
        consumer: Any = self._thread._consumer
        at = consumer.last_poll_timestamp(tp)
        if tp in consumer._fetcher._records:
            return 0.0
        return math.inf if at is None else max(time.time() - at / 1000.0, 0.0)

    def _new_consumer_thread(self) -> Any:
        return _ChunkThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109  Faust's own signature
        fetched = await super()._getmany(active_partitions, timeout)
        return {tp: list(chunk.split(self.chunk_size)) for tp, chunk in cast("Mapping[TP, Chunk]", fetched).items()}

    def _to_message(self, tp: TP, record: Chunk) -> Any:
        message: Any = ConsumerMessage(
            tp.topic, tp.partition, record.end - 1, 0.0, 0, None, None, None, None, tp=tp, generation_id=record.generation
        )
        message.value = record
        return message

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Faust's own takes offsets for committed that were not, and then commits them no more."""
        mine = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        if not mine or not await self._commit(mine):
            return False
        self._committed_offset.update(mine)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(tuple(self._finished))

    def _new_offset(self, tp: TP) -> int | None:
        return self._finished.get(tp)


class _NeverRead(dict[TP, int | None]):
    """In place of the offsets up to which Faust takes records for read: it drops those that come again, which are needed."""

    def __getitem__(self, tp: TP) -> None:
        return None


class _PromptThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        assert isinstance(self.consumer, PromptConsumer)
        # Both are read when the consumer starts.
        consumer._fetch_max_wait_ms = int(self.consumer.fetch_wait_seconds * 1000)
        consumer._isolation_level = "read_committed"
        return consumer


class _ChunkThread(_PromptThread):
    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self.seeks: Counter[TP] = Counter()
        self.notes: dict[TP, CommitNote] = {}
        super().__init__(consumer, **kwargs)

    async def committed(self, assigned: set[TP]) -> Any:
        """The offsets that are committed for these partitions, with their metadata."""
        return await self._ensure_consumer()._coordinator.fetch_committed_offsets(list(assigned))

    async def update_metadata(self) -> None:
        """Returns when the client has looked."""
        await self._ensure_consumer()._client.force_metadata_update()

    async def rejoin(self) -> None:
        """Makes the coordinator's client ask for partitions again."""
        self._ensure_consumer()._coordinator.request_rejoin()

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109  Faust's own signature
        max_records: int | None = None,
    ) -> Any:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            chunks = await fetched_chunks(fetcher, active_partitions, timeout or 0.0, max_records)
        generation = self.app.consumer_generation_id
        return {tp: replace(chunk, seeks=self.seeks[tp], generation=generation) for tp, chunk in chunks.items()}

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        mine = {tp: offset for tp, offset in partitions.items() if tp in self.assignment()}
        self.seeks.update(list(mine))
        await super()._seek_wait(consumer, mine)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Faust's own ends the process where the broker does not take them; they are tried again with the next ones."""
        notes = {tp: self.notes.get(tp, CommitNote()).text for tp in offsets}
        commits = {tp: OffsetAndMetadata(offset, notes[tp]) for tp, offset in offsets.items() if tp in self.assignment()}
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self._ensure_consumer().commit(commits)
        except (KafkaError, TimeoutError) as error:
            _log.warning("offsets_not_committed", partitions=sorted(tp.partition for tp in commits), error=repr(error))
            return False
        return True


def prompt_transport(app: Any, *, fetch_wait_seconds: float) -> Transport:
    """A transport for `app` whose fetches wait at most so long for records, and else Faust's own."""
    return _transport(app, PromptConsumer, fetch_wait_seconds=fetch_wait_seconds)


def unbroken_transport(
    app: Any,
    *,
    fetch_wait_seconds: float,
    chunk_size: int,
    identify: Callable[[], Awaitable[int | None]],
    needed: Callable[[], Awaitable[Mapping[int, int]]],
    positioned: Callable[[Mapping[TP, int]], None],
) -> Transport:
    """The same with all the changes above; its messages carry chunks of at most `chunk_size` records.

    Args:
        identify: gives the id of the log; None while the broker does not tell.
        needed: gives by partition the offset from which records are needed, whatever is committed.
        positioned: is called after each assignment with the offsets that reading goes on from.
    """
    return _transport(
        app,
        UnbrokenConsumer,
        fetch_wait_seconds=fetch_wait_seconds,
        chunk_size=chunk_size,
        identify=staticmethod(identify),
        needed=staticmethod(needed),
        positioned=staticmethod(positioned),
    )


def _transport(app: Any, kind: type[PromptConsumer], **options: Any) -> Transport:
    # Faust makes the consumer itself, from the transport's class attribute.
    return type("Transport", (Transport,), {"Consumer": type(kind.__name__, (kind,), options)})(  # type: ignore[no-any-return]  # a class made by `type` is Any
        app.conf.broker_consumer, app
    )
