"""Look at the end of the event log: who was there lately."""

import time
from collections import Counter

from google.protobuf.message import DecodeError
from kafka import TopicPartition

from headwater.v1.events_pb2 import Event
from headwater.v1.topics import EVENTS
from runtime.broker.log_consumer import LogConsumer
from runtime.record import UnreadableBatch
from runtime.settings import KafkaSettings

__all__ = ["recent_users"]

_RECORDS = 1000
_LONGEST_SECONDS = 5


def recent_users(kafka: KafkaSettings, count: int) -> list[str]:
    """Users of about the last 1,000 events of each partition, the most active first. Raises KafkaError.

    Events that were sent as JSON are left out: suggestions are worth no second parser.
    """
    consumer = LogConsumer(kafka, fetch_max_wait_ms=10, bootstrap_timeout_ms=1000 * _LONGEST_SECONDS)
    try:
        partitions = [TopicPartition(EVENTS.name, one) for one in consumer.partitions_for_topic(EVENTS.name) or ()]
        consumer.assign(partitions)
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for one in partitions:
            consumer.seek(one, max(begins[one], ends[one] - _RECORDS))
        found: Counter[str] = Counter()
        deadline = time.monotonic() + _LONGEST_SECONDS
        while any((end := consumer.highwater(one)) is None or consumer.position(one) < end for one in partitions):
            for records in consumer.poll(timeout_ms=100).values():
                found.update(user for record in records if (user := _user(record.value)))
            if time.monotonic() > deadline:
                break
        return [user for user, _ in found.most_common(count)]
    finally:
        consumer.close()


def _user(value: bytes | None) -> str:
    if isinstance(value, UnreadableBatch):
        return ""
    try:
        return Event.FromString(value or b"").user_id
    except DecodeError:
        return ""
