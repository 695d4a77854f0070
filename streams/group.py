"""Owns a consumer group's member: one Faust app that takes batches of one topic and acknowledges what is finished."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import faust
import structlog
from faust.types import TP

from feature_repo.settings import KafkaSettings
from protos.topics import Topic
from streams.health import Heartbeat
from streams.record import Record
from streams.settings import WorkerSettings
from streams.transport import unbroken_transport

__all__ = ["Group", "Taken"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """One batch: plain records, and the events that `Group.acknowledge` takes."""

    records: Sequence[Record]
    events: Sequence[Any]


class Group:
    """One topic, one app, one agent: Faust feeds all agents of an app in turn, and a full one would hold up the others."""

    def __init__(self, name: str, topic: Topic, *, kafka: KafkaSettings, settings: WorkerSettings, heartbeat: Heartbeat) -> None:
        self.name, self.topic = name, topic
        self._settings, self._heartbeat = settings, heartbeat
        self._finished: dict[TP, int] = {}
        self._expected: dict[TP, int] = {}
        self._committed: dict[TP, int] = {}
        self._committed_at = 0.0
        self._arrived = asyncio.Event()
        self._leaving: list[Callable[[], Awaitable[None]]] = []
        self._arriving: list[Callable[[], Awaitable[None]]] = []
        self.app = faust.App(
            name,
            broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
            broker_credentials=_credentials(kafka),
            broker_session_timeout=settings.session_timeout_seconds,
            broker_heartbeat_interval=settings.session_timeout_seconds / 4,
            broker_commit_interval=settings.commit_interval_seconds,
            consumer_auto_offset_reset="earliest",
            stream_buffer_maxsize=2 * settings.batch_size,
            stream_wait_empty=False,  # what is not finished is read again; waiting for it would hold up the whole group
            store="memory://",
            datadir=tempfile.mkdtemp(prefix=f"{name}-"),
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            loghandlers=[],
        )
        self.app.transport = unbroken_transport(self.app, fetch_wait_seconds=settings.fetch_wait_seconds)
        self.app.on_partitions_revoked.connect(self._revoked)
        self.app.on_partitions_assigned.connect(self._assigned)

    def agent(self, body: Callable[[Any], Awaitable[None]]) -> None:
        """Registers the agent; its topic comes as raw bytes, tombstones included."""
        channel = self.app.topic(self.topic.name, key_serializer="raw", value_serializer="raw", allow_empty=True)
        self.app.agent(channel, name=self.name)(body)

    def before_leaving(self, step: Callable[[], Awaitable[None]]) -> None:
        """Registers what must end before partitions go to another worker, or the process ends."""
        self._leaving.append(step)

    def on_arrival(self, step: Callable[[], Awaitable[None]]) -> None:
        """Registers what must happen before records of newly assigned partitions are taken."""
        self._arriving.append(step)

    async def batches(self, stream: Any) -> AsyncIterator[Taken]:
        """Batches of records, each partition's in order and without a record missing.

        What was buffered before the partitions were dealt anew is left out: it is read again by whoever owns it now. Faust
        lets records flow while the steps of arrival are still under way, so each batch waits for them here.
        """
        async for events in stream.noack_take(self._settings.batch_size, within=self._settings.batch_within_seconds):
            await self._arrived.wait()
            current = await self._unbroken(events)
            if current:
                yield Taken(records=[_record(event.message) for event in current], events=current)

    def acknowledge(self, events: Sequence[Any]) -> None:
        """Lets the offsets of events that are finished be committed."""
        for event in events:
            event.ack()
        self.finish(events)

    def finish(self, events: Sequence[Any]) -> None:
        """Takes events out of the lag, although their offsets must not be committed yet."""
        for event in events:
            tp, position = event.message.tp, event.message.offset + 1
            self._finished[tp] = max(position, self._finished.get(tp, 0))
        self._heartbeat.progress()

    async def leave(self) -> None:
        """Ends what is under way, for the partitions are going."""
        self._arrived.clear()
        for step in self._leaving:
            await step()
        self._finished.clear()
        self._expected.clear()

    def lag(self) -> int:
        """Records in the log that are not finished, as of the last fetch."""
        consumer: Any = self.app.consumer
        total = 0
        for tp in consumer.assignment():
            end = consumer.highwater(tp)
            position = self._finished.get(tp, consumer._committed_offset[tp])
            total += 0 if end is None or position is None else max(end - position, 0)
        return total

    def commit_age(self) -> float:
        """Seconds since offsets were seen to move; 0 before the first time."""
        consumer: Any = self.app.consumer
        latest = dict(consumer._committed_offset)
        if latest != self._committed:
            self._committed, self._committed_at = latest, time.monotonic()
        return time.monotonic() - self._committed_at if self._committed_at else 0.0

    async def _unbroken(self, events: Sequence[Any]) -> list[Any]:
        """Events of the current assignment, up to where a partition jumps ahead: from there it is read again.

        Handling what lies behind a jump would move a row's position past records that were never folded.
        """
        consumer: Any = self.app.consumer
        kept: list[Any] = []
        jumped: set[TP] = set()
        for event in events:
            tp, offset = event.message.tp, event.message.offset
            if tp in jumped or event.message.generation_id != self.app.consumer_generation_id:
                continue
            if tp not in consumer.starts:
                jumped.add(tp)  # fetched before it is known from where to read on
                continue
            expected = self._expected.get(tp, consumer.starts[tp])
            if offset > expected and not await consumer.is_hole(tp, expected, offset):
                _log.warning("records_read_again", group=self.name, partition=tp.partition, expected=expected, offset=offset)
                jumped.add(tp)
                continue
            self._expected[tp] = max(expected, offset + 1)
            kept.append(event)
        return kept

    async def _revoked(self, *_: object, **__: object) -> None:
        await self.leave()

    async def _assigned(self, *_: object, **__: object) -> None:
        for step in self._arriving:
            await step()
        self._arrived.set()
        self._heartbeat.progress()
        self._heartbeat.ready = True
        _log.info("partitions_assigned", group=self.name, partitions=len(self.app.consumer.assignment()))


def _record(message: Any) -> Record:
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        appended_at=message.timestamp,
    )


def _credentials(kafka: KafkaSettings) -> Any:
    options: dict[str, Any] = kafka.aiokafka_options()
    context = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
