"""Owns a look at the end of the event log: who was there lately, and with which features an item was scored."""

import time
from collections import Counter
from collections.abc import Sequence

from google.protobuf.message import DecodeError
from kafka import KafkaConsumer, TopicPartition

from feature_repo.settings import KafkaSettings
from feature_repo.vocabulary import Vocabulary
from protos.events_pb2 import Event
from protos.topics import EVENTS

__all__ = ["recent_events", "recent_users", "served_features"]

_RECORDS = 1000
_LONGEST_SECONDS = 5


def recent_events(kafka: KafkaSettings, *, user_id: str = "") -> list[Event]:
    """About the last 1,000 events of each partition, of one user if so asked; JSON ones are left out. Raises KafkaError."""
    options = {"fetch_max_wait_ms": 10, "bootstrap_timeout_ms": 1000 * _LONGEST_SECONDS}
    consumer = KafkaConsumer(group_id=None, enable_auto_commit=False, **options, **kafka.client_options())
    try:
        partitions = [TopicPartition(EVENTS.name, one) for one in consumer.partitions_for_topic(EVENTS.name) or ()]
        consumer.assign(partitions)
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for one in partitions:
            consumer.seek(one, max(begins[one], ends[one] - _RECORDS))
        found: list[Event] = []
        deadline = time.monotonic() + _LONGEST_SECONDS
        while any((end := consumer.highwater(one)) is None or consumer.position(one) < end for one in partitions):
            for records in consumer.poll(timeout_ms=100).values():
                found += [event for record in records if (event := _event(record.value)) is not None]
            if time.monotonic() > deadline:
                break
        return [event for event in found if user_id in ("", event.user_id)]
    finally:
        consumer.close()


def recent_users(events: Sequence[Event], count: int) -> list[str]:
    """Users of the events, the most active first.

    >>> recent_users([Event(user_id="ann"), Event(user_id="bob"), Event(user_id="bob")], 5)
    ['bob', 'ann']
    """
    return [user_id for user_id, _ in Counter(event.user_id for event in events).most_common(count)]


def served_features(
    events: Sequence[Event], recommendation_id: str, item_id: str, vocabulary: Vocabulary
) -> dict[str, float] | None:
    """Features by name that the item was scored with in that response; None where its impression is not among the events."""
    for event in reversed(events):
        if event.recommendation_id == recommendation_id and event.item_id == item_id and event.HasField("impression"):
            served = event.impression.served
            if served.fingerprint == vocabulary.fingerprint:
                return dict(zip(vocabulary.features, served.values, strict=True))
    return None


def _event(value: bytes | None) -> Event | None:
    try:
        return Event.FromString(value or b"")
    except DecodeError:
        return None
