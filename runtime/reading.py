"""Owns reading all that a topic holds, once, from its beginning to its present end."""

import time
from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from runtime.settings import KafkaSettings
from runtime.topics import TopicError

__all__ = ["read_topic"]

_SILENT_SECONDS = 30.0


def read_topic(kafka: KafkaSettings, topic: str) -> Iterator[ConsumerRecord]:
    """Every record that the broker still holds, in the order of each partition.

    Raises:
        TopicError: there is no such topic, or the broker stops answering.
    """
    consumer = KafkaConsumer(
        group_id=None, enable_auto_commit=False, allow_auto_create_topics=False, fetch_max_wait_ms=50, **kafka.client_options()
    )
    try:
        partitions = [TopicPartition(topic, one) for one in consumer.partitions_for_topic(topic) or ()]
        if not partitions:
            raise TopicError(f"{kafka.bootstrap_servers} has no topic {topic}; run `headwater topics --create`")
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        heard_at = time.monotonic()
        # The watermark of a fetch is the end: the embedded broker's listing of ends stands still within a batch of records.
        while any((end := consumer.highwater(one)) is None or consumer.position(one) < end for one in partitions):
            fetched = consumer.poll(timeout_ms=200)
            if fetched:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > _SILENT_SECONDS:
                raise TopicError(f"{kafka.bootstrap_servers} stopped sending {topic}: check that the broker runs")
            for records in fetched.values():
                yield from records
    finally:
        consumer.close()
