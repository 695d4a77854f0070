"""Owns how a Faust worker process lives: its app, its batches, its partitions, its health, its end."""

import asyncio
import logging
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import faust
import structlog
from faust.types import TP
from pydantic_settings import BaseSettings

from feature_repo.settings import KafkaSettings
from protos.topics import Topic
from streams.health import Health
from streams.metrics import WorkerMetrics
from streams.record import Record
from streams.settings import WorkerSettings

__all__ = ["Taken", "Worker", "configure_logging"]

_log = structlog.get_logger(__name__)
_WATCH_SECONDS = 1.0


def configure_logging(*settings: BaseSettings) -> None:
    """Logs as events on stderr, Faust's own from warnings up; shows the effective settings with passwords masked."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    for one in settings:
        shown = {name: re.sub(r"://[^@/]*@", "://***@", str(value)) for name, value in one.model_dump().items()}
        _log.info("settings", section=type(one).__name__, **shown)


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """One batch: plain records, and the events that `Worker.acknowledge` takes."""

    records: Sequence[Record]
    events: Sequence[Any]


class Worker:
    """One Faust app in one process: a consumer group's member that takes batches and acknowledges what is finished.

    An agent that fails takes the whole process down: Faust would skip the batch and go on, and a restart reads it again.
    """

    def __init__(
        self, name: str, *, kafka: KafkaSettings, settings: WorkerSettings, metrics: WorkerMetrics, health: Health
    ) -> None:
        self.name = name
        self.executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._settings, self._metrics, self._health = settings, metrics, health
        self._finished: dict[TP, int] = {}
        self._failure: BaseException | None = None
        self._stopping = asyncio.Event()
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
            store="memory://",
            datadir=tempfile.mkdtemp(prefix=f"{name}-"),
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            loghandlers=[],
        )
        self.app.on_partitions_revoked.connect(self._revoked)
        self.app.on_partitions_assigned.connect(self._assigned)

    def topic(self, topic: Topic) -> Any:
        """The topic as raw bytes, tombstones included."""
        return self.app.topic(topic.name, key_serializer="raw", value_serializer="raw", allow_empty=True)

    def before_leaving(self, step: Callable[[], Awaitable[None]]) -> None:
        """Registers what must end before partitions go to another worker."""
        self._leaving.append(step)

    def on_arrival(self, step: Callable[[], Awaitable[None]]) -> None:
        """Registers what must happen before records of newly assigned partitions are taken."""
        self._arriving.append(step)

    async def batches(self, stream: Any) -> AsyncIterator[Taken]:
        """Batches of records in order,

        What was buffered before the partitions were dealt anew is left out: it is read again by whoever owns it now.
        """
        async for events in stream.noack_take(self._settings.batch_size, within=self._settings.batch_within_seconds):
            current = [event for event in events if event.message.generation_id == self.app.consumer_generation_id]
            if current:
                yield Taken(records=[_record(event.message) for event in current], events=current)

    def acknowledge(self, events: Sequence[Any]) -> None:
        """Lets the offsets of events that are finished be committed."""
        for event in events:
            event.ack()
            self._finished[event.message.tp] = event.message.offset + 1
        self._health.progress()

    def fail(self, error: BaseException) -> None:
        """Ends the process with a failure."""
        _log.error("worker_failed", worker=self.name, error=str(error), exc_info=error)
        self._failure = error
        self._stopping.set()

    async def run(self) -> int:
        """Runs until a signal or a failure; returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        watch = asyncio.create_task(self._watch())
        try:
            await self.app.start()
            stopping = asyncio.create_task(self._stopping.wait())
            ended = asyncio.create_task(self.app.wait_until_stopped())
            await asyncio.wait((stopping, ended, watch), return_when=asyncio.FIRST_COMPLETED)
            if not self._stopping.is_set():
                self._failure = self.app.crash_reason or RuntimeError("the Faust app stopped by itself")
                _log.error("worker_ended", worker=self.name, error=str(self._failure))
        finally:
            self._health.ready = False
            watch.cancel()
            await self.app.stop()
            self.executor.shutdown()
        return 0 if self._failure is None else 1

    async def _revoked(self, *_: object, **__: object) -> None:
        for step in self._leaving:
            await step()
        self._finished.clear()

    async def _assigned(self, *_: object, **__: object) -> None:
        for step in self._arriving:
            await step()
        self._health.progress()
        self._health.ready = True
        _log.info("partitions_assigned", worker=self.name, partitions=len(self.app.consumer.assignment()))

    async def _watch(self) -> None:
        """Measures lag and the age of commits, which tell of consumers that die silently."""
        committed: dict[TP, int] = {}
        committed_at = 0.0
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if not self._health.ready:
                continue
            consumer: Any = self.app.consumer
            lag: dict[str, int] = {}
            for tp in consumer.assignment():
                end = consumer.highwater(tp)
                position = self._finished.get(tp, consumer._committed_offset[tp])
                waiting = 0 if end is None or position is None else max(end - position, 0)
                lag[tp.topic] = lag.get(tp.topic, 0) + waiting
            for topic, waiting in lag.items():
                self._metrics.lag.labels(topic).set(waiting)
            self._health.waiting = sum(lag.values())
            if not self._health.waiting:
                self._health.progress()
            latest = dict(consumer._committed_offset)
            if latest != committed:
                committed, committed_at = latest, time.monotonic()
            self._metrics.last_commit_age.set(time.monotonic() - committed_at if committed_at else 0.0)


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
