"""Client with which services push events and catalogue changes."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any
from uuid import uuid4

from kafka import KafkaProducer

from headwater.producer.asking_client import AskingClient
from headwater.producer.delivery_report import DeliveryError, DeliveryReport
from headwater.producer.direct_transport import DirectTransport
from headwater.producer.spool import Spool
from headwater.producer.spooled_transport import SpooledTransport
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import CATALOGUE, EVENTS

__all__ = ["EventProducer"]


class EventProducer:
    """Sends events keyed by user and catalogue changes keyed by item; safe for several threads.

    The client is idempotent and retries, so order within a key holds and a retry counts once. With a spool every
    record goes to disk first and leaves it, in order, once the broker has it: neither an unreachable broker nor the end of this
    process loses one.
    """

    def __init__(
        self,
        bootstrap_servers: str | Sequence[str],
        *,
        spool: Spool | None = None,
        clock: Callable[[], float] = time.time,
        give_up_seconds: float = 120.0,
        linger_seconds: float = 0.005,
        before_connecting: Callable[[], None] | None = None,
        **kafka_options: Any,
    ) -> None:
        """Connects to one of `bootstrap_servers` ("host:port", or several by comma or as a sequence).

        Args:
            clock: gives Unix seconds.
            give_up_seconds: a record without an answer after that has failed, or stays spooled.
            linger_seconds: a record waits for others so long: fewer, larger batches cost the broker less and come later.
            before_connecting: called before each attempt to connect; a KafkaError that it raises is that attempt's.
            kafka_options: those of kafka-python's KafkaProducer: `security_protocol`, `sasl_mechanism`, `ssl_cafile`,
                `compression_type`, ...

        Raises:
            ValueError: what lingers so long could not be answered before it is given up.
            KafkaError: the broker cannot be reached, and there is no spool.
        """
        answer_seconds = min(30.0, give_up_seconds) - 2 * linger_seconds
        if linger_seconds < 0.0 or answer_seconds <= 0.0:
            raise ValueError(
                f"linger_seconds must be 0 or more, and less than half of give_up_seconds and than 15, got {linger_seconds:g} "
                f"with give_up_seconds {give_up_seconds:g}"
            )
        self._clock = clock
        servers = bootstrap_servers.split(",") if isinstance(bootstrap_servers, str) else list(bootstrap_servers)

        def connect() -> KafkaProducer:
            if before_connecting is not None:
                before_connecting()
            return KafkaProducer(
                bootstrap_servers=servers,
                acks="all",
                enable_idempotence=True,
                linger_ms=int(linger_seconds * 1000),
                request_timeout_ms=int(answer_seconds * 1000),
                delivery_timeout_ms=int(give_up_seconds * 1000),
                batch_size=256 * 1024,
                **{"kafka_client": AskingClient, **kafka_options},
            )

        self._transport: DirectTransport | SpooledTransport
        if spool is None:
            self._transport = DirectTransport(connect=connect, give_up_seconds=give_up_seconds)
        else:
            self._transport = SpooledTransport(spool, connect=connect, give_up_seconds=give_up_seconds)

    def __enter__(self) -> "EventProducer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self.flush(raise_on_failure=True)
        finally:
            self.close()

    def send(self, event: Event) -> str:
        """Queues an event and returns its id; waits while too many records are under way.

        An absent `event_id` or `occurred_at` is filled into `event`, so that sending the same message again is a repeat that
        counts once.

        Raises:
            ValueError: the event has no user_id, by which it is keyed.
            KafkaError: the broker or the topic cannot be reached, and there is no spool.
            SpoolError: the spool is full or the disk does not take it; the event was not taken.
        """
        if not event.user_id:
            raise ValueError("an event needs a user_id: it is the record's key, and keeps one user's events in order")
        if not event.event_id:
            event.event_id = uuid4().hex
        if not event.HasField("occurred_at"):
            event.occurred_at.FromNanoseconds(int(self._clock() * 1e9))
        self.send_bytes(EVENTS.name, event.user_id, event.SerializeToString())
        return event.event_id

    def send_change(self, change: CatalogueChange) -> None:
        """Queues an item's upsert or delete; raises as `send` does."""
        kind = change.WhichOneof("change")
        item_id = change.delete.item_id if kind == "delete" else change.upsert.item_id
        if not item_id:
            raise ValueError("a catalogue change needs an upsert or a delete with an item_id: it is the record's key")
        if not change.HasField("occurred_at"):
            change.occurred_at.FromNanoseconds(int(self._clock() * 1e9))
        self.send_bytes(CATALOGUE.name, item_id, change.SerializeToString())

    def send_bytes(self, topic: str, key: str | bytes, value: bytes) -> None:
        """Queues a record as it is, for messages that were encoded elsewhere (JSON lines); raises KafkaError or SpoolError."""
        self._transport.put(topic, key.encode() if isinstance(key, str) else key, value)

    def flush(self, *, raise_on_failure: bool = False) -> DeliveryReport:
        """Waits until the broker has answered for every record sent so far; what is spooled may stay on disk.

        Raises:
            DeliveryError: with `raise_on_failure` if any record failed; and without a spool if some stay without an answer.
        """
        report = self._transport.flush()
        if report.failed and raise_on_failure:
            raise DeliveryError(f"{report.failed} records were not taken, first: {'; '.join(report.reasons[:3])}")
        return report

    def close(self) -> None:
        """Closes the connection; what is neither flushed nor spooled may be lost."""
        self._transport.close()
