"""Asking that a user be forgotten, and the receipt that says it was done; needs kafka-python and protobuf alone."""

import time
from collections.abc import Callable

from kafka import TopicPartition

from headwater.internal.v1.streams_pb2 import Erasure
from headwater.v1.events_pb2 import Event, Forget
from headwater.v1.topics import ERASURES
from runtime.broker.event_producer import event_producer
from runtime.broker.log_consumer import LogConsumer
from runtime.errors import UserError
from runtime.record import UnreadableBatch
from runtime.settings import KafkaSettings
from runtime.topics import TopicError

__all__ = ["ForgetError", "forget"]


class ForgetError(UserError):
    """An erasure request that is on the log and has no receipt yet; the message says what to do."""


def forget(kafka: KafkaSettings, user_id: str, *, clock: Callable[[], float] = time.time, wait_seconds: float = 60.0) -> Erasure:
    """Puts the wish on the event log, waits until the user's row is erased, and returns the receipt.

    Args:
        clock: Unix seconds; the time until which the user's events are not counted.

    Raises:
        ForgetError: no receipt came within `wait_seconds`. The wish stands in the log; asking again does no harm.
        TopicError: there is no topic for receipts.
        DeliveryError, KafkaError: the broker did not take the wish.
    """
    event = Event(user_id=user_id, forget=Forget())
    event.occurred_at.FromMicroseconds(int(clock() * 1e6))
    asked_at = event.occurred_at.seconds + event.occurred_at.nanos * 1e-9  # as the worker reads it, to the last bit
    consumer = LogConsumer(kafka, fetch_max_wait_ms=50)
    try:
        partitions = [TopicPartition(ERASURES.name, one) for one in consumer.partitions_for_topic(ERASURES.name) or ()]
        if not partitions:
            raise TopicError(f"{kafka.bootstrap_servers} has no topic {ERASURES.name}; run `headwater topics --create`")
        consumer.assign(partitions)
        # From the beginning where the end is unsure: the embedded broker's listing of ends does not move within a batch.
        consumer.seek_to_beginning(*partitions)
        with event_producer(kafka) as producer:
            producer.send(event)
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline:
            for record in (record for records in consumer.poll(timeout_ms=200).values() for record in records):
                if isinstance(record.value, UnreadableBatch):
                    continue
                receipt = Erasure.FromString(record.value or b"")
                if receipt.user_id == user_id and receipt.requested_at >= asked_at:
                    return receipt
    finally:
        consumer.close()
    raise ForgetError(
        f"the wish of user {user_id} to be forgotten is on the log (event {event.event_id}) but was not answered within "
        f"{wait_seconds:.0f} s: it will be once the features worker runs and has caught up (its /metrics tell); then ask again"
    )
