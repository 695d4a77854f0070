"""Headwater's topics on the broker: creating and describing them, their ids, and reading one from beginning to end."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError, TopicAlreadyExistsError

from headwater.v1.topics import ALL_TOPICS, Topic
from runtime.settings import KafkaSettings

__all__ = ["LogError", "TopicError", "TopicState", "describe", "ensure_topics", "log_ids", "read_topic", "spans"]

_FETCH_SECONDS = 5.0


class TopicError(RuntimeError):
    """Topics that cannot be created or are laid out otherwise than Headwater needs; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicState:
    """One of Headwater's topics on the broker."""

    name: str
    key: str
    topic_id: str
    """Changes when the topic is created anew; empty where the broker gives none."""
    partitions: int
    compacted: bool
    records: int
    """Sum over partitions of the offsets between beginning and end."""


def ensure_topics(kafka: KafkaSettings, *, partitions: int, replication: int = -1) -> list[str]:
    """Creates the topics that are missing and returns their names; those that stand as wanted are left alone.

    Args:
        partitions: of every topic whose order over all records does not matter; it bounds how many workers share a topic.
        replication: copies of each partition; -1 for the broker's default.

    Raises:
        TopicError: a topic stands with another number of partitions, or the broker refuses.
    """
    admin = KafkaAdminClient(**kafka.client_options())
    try:
        standing = {entry["name"]: len(entry["partitions"]) for entry in admin.describe_topics()}
        wrong = [
            f"{topic.name} has {standing[topic.name]} partitions, not {_wanted(topic, partitions)}"
            for topic in ALL_TOPICS
            if topic.name in standing and standing[topic.name] != _wanted(topic, partitions)
        ]
        if wrong:
            raise TopicError(
                f"topics on {kafka.bootstrap_servers} are laid out otherwise: {'; '.join(wrong)}. A user's events would change "
                "partition and lose their order, so this is not mended here: give the number of partitions that stands, or "
                "delete the topics and replay the events"
            )
        missing = {topic.name: _layout(topic, partitions, replication) for topic in ALL_TOPICS if topic.name not in standing}
        if missing:
            admin.create_topics(missing, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        pass  # another process that starts now was quicker
    except KafkaError as error:
        raise TopicError(
            f"topics on {kafka.bootstrap_servers} could not be created: {error}. Check that the broker runs and that this "
            "principal may create topics"
        ) from error
    finally:
        admin.close()
    return list(missing)


def describe(kafka: KafkaSettings) -> list[TopicState]:
    """Headwater's topics that exist on the broker, in the order of `headwater.v1.topics`."""
    admin = KafkaAdminClient(**kafka.client_options())
    try:
        names = [topic.name for topic in ALL_TOPICS]
        standing = {entry["name"]: entry for entry in admin.describe_topics() if entry["name"] in names}
    finally:
        admin.close()
    partitions = {
        name: [TopicPartition(name, number) for number in range(len(entry["partitions"]))] for name, entry in standing.items()
    }
    found = spans(kafka, [partition for one in partitions.values() for partition in one])
    return [
        TopicState(
            name=topic.name,
            key=topic.key,
            topic_id=str(standing[topic.name].get("topic_id") or ""),
            partitions=len(partitions[topic.name]),
            compacted=topic.compacted,
            records=sum(end - start for start, end in (found[partition] for partition in partitions[topic.name])),
        )
        for topic in ALL_TOPICS
        if topic.name in standing
    ]


def spans(kafka: KafkaSettings, partitions: list[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
    """First offset that the log holds, and the one after its last.

    The end is asked by a fetch: the embedded broker lists the start of the last batch.
    """
    consumer = KafkaConsumer(group_id=None, enable_auto_commit=False, fetch_max_wait_ms=10, **kafka.client_options())
    try:
        starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, ends[partition])
        deadline = time.monotonic() + _FETCH_SECONDS
        while time.monotonic() < deadline and any(consumer.highwater(partition) is None for partition in partitions):
            consumer.poll(timeout_ms=100)
        return {one: (starts[one], max(ends[one], consumer.highwater(one) or 0)) for one in partitions}
    finally:
        consumer.close()


def _wanted(topic: Topic, partitions: int) -> int:
    return 1 if topic.one_partition else partitions


def _layout(topic: Topic, partitions: int, replication: int) -> dict[str, object]:
    return {
        "num_partitions": _wanted(topic, partitions),
        "replication_factor": replication,
        "configs": {"cleanup.policy": "compact" if topic.compacted else "delete"},
    }


class LogError(RuntimeError):
    """A topic whose identity the broker does not tell."""


def log_ids(kafka: KafkaSettings, topics: Sequence[str]) -> dict[str, int]:
    """A 63-bit number for each topic that changes when the topic is created anew (its offsets then start from 0 again).

    Raises:
        LogError: a topic is missing or has no id (brokers before Apache Kafka 2.8 give none).
    """
    admin = KafkaAdminClient(**kafka.client_options())
    try:
        described = {entry["name"]: entry for entry in admin.describe_topics(list(topics))}
    finally:
        admin.close()
    ids: dict[str, int] = {}
    for topic in topics:
        topic_id = str(described.get(topic, {}).get("topic_id") or "")
        if not topic_id.strip("0-"):
            raise LogError(
                f"broker {kafka.bootstrap_servers} has no topic {topic} or gives it no id: "
                "run `headwater topics --create`, and use a broker that speaks Kafka 2.8 or later"
            )
        ids[topic] = int.from_bytes(blake2b(topic_id.encode(), digest_size=8).digest(), "little") >> 1
    return ids


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
