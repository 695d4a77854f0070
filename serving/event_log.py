"""Owns writing events to Kafka from the server: acknowledged by all replicas, and never needed to start."""

import asyncio
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from headwater.v1.events_pb2 import Event
from headwater.v1.topics import EVENTS
from runtime.settings import KafkaSettings
from serving.api.errors import LogUnavailable

__all__ = ["EventLog"]

_log = structlog.get_logger(__name__)
_RETRY_SECONDS = 1.0
_LINGER_MS = 2


class EventLog:
    """The events topic, for appending; connects in the background, since a server without Kafka still answers.

    A retry may write an event twice; its event_id makes that count once. aiokafka keeps the order within a partition by
    itself, and its idempotent mode is refused by the embedded broker.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None
        self._connecting: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._connecting = asyncio.create_task(self._connect(), name="event-log-connect")

    async def append(self, events: Sequence[Event], seconds: float) -> list[str | None]:
        """Writes events keyed by user; for each, None once acknowledged, else why it was not within `seconds`.

        An event that was not acknowledged may still have been written: send it again with the same event_id.

        Raises:
            LogUnavailable: no broker has been reached so far, or none of the events was acknowledged.
        """
        if self._producer is None:
            raise LogUnavailable(
                f"no broker at {self._kafka.bootstrap_servers} has been reached yet (HEADWATER_KAFKA_BOOTSTRAP_SERVERS)"
            )
        writes = [asyncio.ensure_future(self._write(self._producer, event)) for event in events]
        await asyncio.wait(writes, timeout=seconds)
        outcomes = [_outcome(write, seconds) for write in writes]
        if all(outcomes):
            raise LogUnavailable(f"none of {len(events)} events was acknowledged: {outcomes[0]}; send them again, ids unchanged")
        return outcomes

    async def stop(self) -> None:
        """Ends after what was given to it is acknowledged or has failed."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._producer is not None:
            await self._producer.stop()

    async def _connect(self) -> None:
        while True:
            producer = AIOKafkaProducer(acks="all", linger_ms=_LINGER_MS, **self._kafka.aiokafka_options())
            try:
                await producer.start()
            except KafkaError as error:
                _log.warning("event_log_not_reached", servers=self._kafka.bootstrap_servers, error=str(error))
                await producer.stop()
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._producer = producer
                return

    @staticmethod
    async def _write(producer: AIOKafkaProducer, event: Event) -> None:
        acknowledged = await producer.send(EVENTS.name, key=event.user_id.encode(), value=event.SerializeToString())
        await acknowledged


def _outcome(write: "asyncio.Future[None]", seconds: float) -> str | None:
    if not write.done():
        write.cancel()
        return f"not acknowledged within {seconds:.1f} s"
    error = write.exception()
    return None if error is None else f"{type(error).__name__}: {error}"
