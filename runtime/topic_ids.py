"""Owns how a process tells one log from another that has the same name."""

from collections.abc import Sequence
from hashlib import blake2b

from kafka.admin import KafkaAdminClient

from runtime.settings import KafkaSettings

__all__ = ["LogError", "log_ids"]


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
