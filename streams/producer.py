"""Owns the client with which services push events and catalogue changes; needs kafka-python and protobuf alone.

with EventProducer(KafkaSettings()) as producer:
    producer.send(Event(user_id="u1", item_id="i1", click=Click()))
# leaving the block waits for the broker and raises if it took less than all
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from uuid import uuid4

from kafka import KafkaProducer
from kafka.errors import KafkaError

from feature_repo.settings import KafkaSettings
from protos.catalogue_pb2 import CatalogueChange
from protos.events_pb2 import Event
from protos.topics import CATALOGUE, EVENTS

__all__ = ["Delivery", "DeliveryError", "EventProducer"]

_MAX_IN_FLIGHT = 20_000
_LINGER_MS = 5
_REASONS_KEPT = 20


class DeliveryError(RuntimeError):
    """Records that the broker did not take; the message gives their number and the first reasons."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What became of the records sent since the producer was made."""

    acknowledged: int
    failed: int
    reasons: tuple[str, ...]
    """Of the first failures: key and error."""


class EventProducer:
    """Sends events keyed by user and catalogue changes keyed by item; safe for several threads.

    The client is idempotent and tries again by itself, so order within a key holds and a retry counts once. What it finally
    gives up is known only from each record's own future: `flush` reports that, where kafka-python's own says nothing.
    """

    def __init__(self, kafka: KafkaSettings, *, clock: Callable[[], float] = time.time, give_up_seconds: float = 120.0) -> None:
        """Args: `clock` gives Unix seconds; a record that the broker has not taken after `give_up_seconds` counts as failed."""
        self._clock = clock
        self._give_up = give_up_seconds
        self._client = KafkaProducer(
            acks="all",
            enable_idempotence=True,
            linger_ms=_LINGER_MS,
            request_timeout_ms=int(min(30.0, give_up_seconds) * 1000) - 2 * _LINGER_MS,
            delivery_timeout_ms=int(give_up_seconds * 1000),
            batch_size=256 * 1024,
            allow_auto_create_topics=False,  # topics made by accident have the wrong partitions
            **kafka.client_options(),
        )
        # kafka-python 3 bounds neither records nor bytes that wait.
        self._slots = threading.BoundedSemaphore(_MAX_IN_FLIGHT)
        self._changed = threading.Condition()
        self._sent = 0
        self._acknowledged = 0
        self._failed = 0
        self._reasons: list[str] = []

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
            KafkaError: the broker or the topic cannot be reached.
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
        """Queues a record as it is, for messages that were encoded elsewhere (JSON lines); raises KafkaError."""
        name, key = str(key), key.encode() if isinstance(key, str) else key
        self._slots.acquire()
        try:
            future = self._client.send(topic, key=key, value=value)
        except BaseException:
            self._slots.release()
            raise
        with self._changed:
            self._sent += 1
        future.add_callback(self._on_success)
        future.add_errback(self._on_failure, name)

    def flush(self, *, raise_on_failure: bool = False) -> Delivery:
        """Waits until the broker has answered for every record sent so far.

        Raises:
            DeliveryError: with `raise_on_failure` if any record failed; and always if some stay without an answer.
        """
        timeout = self._give_up + 10.0
        try:
            self._client.flush(timeout=timeout)
        except KafkaError as error:
            raise DeliveryError(f"the broker did not answer for all records within {timeout:.0f} s: {error}") from error
        with self._changed:
            self._changed.wait_for(lambda: self._acknowledged + self._failed >= self._sent, timeout)
            delivery = Delivery(acknowledged=self._acknowledged, failed=self._failed, reasons=tuple(self._reasons))
            waiting = self._sent - delivery.acknowledged - delivery.failed
        if waiting:
            raise DeliveryError(f"{waiting} records are still unanswered after {timeout:.0f} s: check that the broker runs")
        if delivery.failed and raise_on_failure:
            raise DeliveryError(f"{delivery.failed} records were not taken, first: {'; '.join(delivery.reasons[:3])}")
        return delivery

    def close(self) -> None:
        """Closes the connection; what is not flushed may be lost."""
        self._client.close(timeout=10.0)

    def _on_success(self, _: object) -> None:
        self._slots.release()
        with self._changed:
            self._acknowledged += 1
            self._changed.notify_all()

    def _on_failure(self, key: str, error: BaseException) -> None:
        self._slots.release()
        with self._changed:
            self._failed += 1
            if len(self._reasons) < _REASONS_KEPT:
                self._reasons.append(f"key {key}: {error}")
            self._changed.notify_all()
