"""Headwater's topics on the broker: creating and describing them, their ids, and reading one from beginning to end."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import structlog
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError

from headwater.v1.topics import ALL_TOPICS, Topic
from runtime.broker.access import access_error, connected
from runtime.broker.errors import BrokerError
from runtime.broker.log_consumer import LogConsumer
from runtime.broker.rights import COMMANDS, Right, narrowed
from runtime.broker.topic_config import Fault, TopicConfig, faults, replicas_wanted, topic_configs
from runtime.errors import UserError
from runtime.record import UnreadableBatch
from runtime.settings import KafkaSettings

__all__ = [
    "Log",
    "LogError",
    "TopicError",
    "TopicState",
    "describe",
    "ensure_topics",
    "log_ids",
    "logs",
    "read_topic",
    "spans",
    "why_refused",
]

_log = structlog.get_logger(__name__)
_FETCH_SECONDS = 5.0


class TopicError(UserError):
    """Topics that cannot be created or are configured otherwise than Headwater needs; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicState:
    """One of Headwater's topics on the broker."""

    topic: Topic
    config: TopicConfig
    faults: list[Fault]
    """What is wrong with the configuration."""
    records: int
    """Sum over partitions of the offsets between beginning and end."""

    @property
    def name(self) -> str:
        return self.topic.name

    @property
    def partitions(self) -> int:
        return self.config.partitions


def ensure_topics(kafka: KafkaSettings, *, partitions: int) -> list[str]:
    """Creates the topics that are missing and returns their names; those that are as wanted are left alone.

    With three brokers or more each partition gets three copies, of which two must have a record before it is acknowledged.

    Args:
        partitions: of every topic whose order over all records does not matter; it bounds how many workers share a topic.

    Raises:
        TopicError: a topic exists with another number of partitions or another clean-up, or the broker refuses.
        BrokerError: the broker cannot be used, or the principal may not create topics.
    """
    missing: list[Topic] = []
    try:
        with connected(kafka) as admin:
            existing = topic_configs(admin, (topic.name for topic in ALL_TOPICS))
            if wrong := _partitions_refused(existing, partitions):
                raise TopicError(
                    f"topics on {kafka.bootstrap_servers} are laid out otherwise: {'; '.join(wrong)}. A user's events would "
                    "change partition and lose their order, so this is not corrected here: give the number of partitions that "
                    "there are, or delete the topics and replay the events"
                )
            if why := why_refused(kafka, existing):
                raise TopicError(why)
            missing = [topic for topic in ALL_TOPICS if topic.name not in existing]
            if missing:
                brokers = len(admin.describe_cluster()["brokers"])
                admin.create_topics(
                    {topic.name: _layout(topic, partitions, brokers) for topic in missing}, wait_for_metadata=True
                )
    except TopicAlreadyExistsError:
        pass  # another process that starts now was quicker
    except BrokerError:
        raise
    except TopicAuthorizationFailedError as error:
        rights = [one for one in COMMANDS["topics --create"] if one.operation == "CREATE"]
        raise access_error(kafka, narrowed(rights, *(topic.name for topic in missing))) from error
    except KafkaError as error:
        raise TopicError(
            f"topics on {kafka.bootstrap_servers} could not be created: {error}. Check that the broker runs and that it has as "
            "many brokers as a topic wants copies"
        ) from error
    return [topic.name for topic in missing]


def why_refused(kafka: KafkaSettings, existing: dict[str, TopicConfig], topics: Iterable[Topic] = ALL_TOPICS) -> str | None:
    """Why nothing may be read from or written to topics as they are configured, and what corrects it; None if they may."""
    wrong = [
        (topic, fault)
        for topic in topics
        if topic.name in existing
        for fault in faults(topic, existing[topic.name], kafka.bootstrap_servers)
        if fault.loses_records
    ]
    if not wrong:
        return None
    said = "; ".join(f"{topic.name}: {fault.text}" for topic, fault in wrong)
    fixes = " ; ".join(fault.fix for _, fault in wrong)
    return f"topics on {kafka.bootstrap_servers} would lose records. {said}. Correct it: {fixes}"


def describe(kafka: KafkaSettings) -> list[TopicState]:
    """Headwater's topics that exist on the broker, in the order of `headwater.v1.topics`; raises KafkaError."""
    with connected(kafka) as admin:
        configs = topic_configs(admin, (topic.name for topic in ALL_TOPICS))
    existing = [topic for topic in ALL_TOPICS if topic.name in configs]
    partitions = {topic: [TopicPartition(topic.name, one) for one in configs[topic.name].replicas] for topic in existing}
    found = spans(kafka, [one for of_topic in partitions.values() for one in of_topic])
    return [
        TopicState(
            topic=topic,
            config=configs[topic.name],
            faults=faults(topic, configs[topic.name], kafka.bootstrap_servers),
            records=sum(end - start for start, end in (found[one] for one in partitions[topic])),
        )
        for topic in existing
    ]


def spans(kafka: KafkaSettings, partitions: list[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
    """First offset that the log holds, and the one after the last record that can be read.

    The end is asked by a fetch, for the embedded broker lists the start of the last batch; where the principal may not fetch, the
    listing is what there is.
    """
    consumer = LogConsumer(kafka, fetch_max_wait_ms=10)
    try:
        starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, ends[partition])
        deadline = time.monotonic() + _FETCH_SECONDS
        try:
            while time.monotonic() < deadline and any(consumer.highwater(partition) is None for partition in partitions):
                consumer.poll(timeout_ms=100)
        except TopicAuthorizationFailedError:
            return {one: (starts[one], ends[one]) for one in partitions}
        return {one: (starts[one], max(ends[one], consumer.highwater(one) or 0)) for one in partitions}
    finally:
        consumer.close()


def _partitions_refused(existing: dict[str, TopicConfig], partitions: int) -> list[str]:
    return [
        f"{topic.name} has {existing[topic.name].partitions} partitions, not {_wanted(topic, partitions)}"
        for topic in ALL_TOPICS
        if topic.name in existing and existing[topic.name].partitions != _wanted(topic, partitions)
    ]


def _wanted(topic: Topic, partitions: int) -> int:
    return 1 if topic.one_partition else partitions


def _layout(topic: Topic, partitions: int, brokers: int) -> dict[str, object]:
    configs = {"cleanup.policy": "compact" if topic.compacted else "delete"}
    copies = replicas_wanted(brokers)
    if copies < 3:
        return {"num_partitions": _wanted(topic, partitions), "replication_factor": -1, "configs": configs}
    configs["min.insync.replicas"] = "2"
    return {"num_partitions": _wanted(topic, partitions), "replication_factor": copies, "configs": configs}


class LogError(UserError):
    """A topic whose identity the broker does not tell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """What tells one log from another of the same name."""

    id: int
    """63 bits that change when the topic is created again; its offsets then start from 0 again."""
    partitions: int


def log_ids(kafka: KafkaSettings, topics: Sequence[str]) -> dict[str, int]:
    """The id of each topic's log; raises as `logs` does."""
    return {topic: log.id for topic, log in logs(kafka, topics).items()}


def logs(kafka: KafkaSettings, topics: Sequence[str]) -> dict[str, Log]:
    """The log of each topic.

    Raises:
        LogError: a topic is missing or has no id (brokers before Apache Kafka 2.8 give none).
        BrokerError: the broker cannot be used, or refuses to describe the topic.
    """
    with connected(kafka) as admin:
        described = {entry["name"]: entry for entry in admin.describe_topics(list(topics))}
    found: dict[str, Log] = {}
    for topic in topics:
        if described[topic]["error_code"] == TopicAuthorizationFailedError.errno:
            raise access_error(kafka, [Right(operation="DESCRIBE", kind="topic", name=topic)])
        topic_id = str(described[topic].get("topic_id") or "")
        if not topic_id.strip("0-"):
            raise LogError(
                f"broker {kafka.bootstrap_servers} has no topic {topic} or gives it no id: "
                "run `headwater topics --create`, and use a broker that speaks Kafka 2.8 or later"
            )
        number = int.from_bytes(blake2b(topic_id.encode(), digest_size=8).digest(), "little") >> 1
        found[topic] = Log(id=number, partitions=len(described[topic]["partitions"]))
    return found


_SILENT_SECONDS = 30.0


def read_topic(kafka: KafkaSettings, topic: str) -> Iterator[ConsumerRecord]:
    """Every committed record that the broker still holds, in the order of each partition; batches that cannot be read are logged.

    Raises:
        TopicError: there is no such topic, or the broker stops answering.
    """
    consumer = LogConsumer(kafka, fetch_max_wait_ms=50)
    try:
        partitions = [TopicPartition(topic, one) for one in consumer.partitions_for_topic(topic) or ()]
        if not partitions:
            raise TopicError(f"{kafka.bootstrap_servers} has no topic {topic}; run `headwater topics --create`")
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        heard_at = time.monotonic()
        # The watermark of a fetch is the end: the embedded broker's listing of ends does not move within a batch of records.
        while any((end := consumer.highwater(one)) is None or consumer.position(one) < end for one in partitions):
            fetched = consumer.poll(timeout_ms=200)
            if fetched:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > _SILENT_SECONDS:
                raise TopicError(f"{kafka.bootstrap_servers} stopped sending {topic}: check that the broker runs")
            for record in (record for records in fetched.values() for record in records):
                if isinstance(record.value, UnreadableBatch):
                    _log.error("records_unreadable", topic=topic, partition=record.partition, reason=record.value.reason)
                else:
                    yield record
    finally:
        consumer.close()
