"""What is wrong with a topic's configuration, and the command that corrects it."""

import re

import pytest

from headwater.v1.topics import CATALOGUE, EVENTS, EXAMPLES, Topic
from runtime.broker.topic_config import TopicConfig, faults, retention

DAY_MS = 86_400_000


def config(
    *,
    policy: str | None = "delete",
    replicas: tuple[int, ...] = (1, 2, 3),
    partitions: int = 1,
    brokers: int = 3,
    retention_ms: int | None = 7 * DAY_MS,
    retention_bytes: int | None = -1,
    in_sync: int | None = 2,
) -> TopicConfig:
    """A topic of a cluster of three, as it should be but for what is given."""
    return TopicConfig(
        topic_id="id",
        replicas=dict.fromkeys(range(partitions), replicas),
        brokers=range(1, brokers + 1),
        cleanup_policy=None if policy is None else frozenset(policy.split(",")),
        retention_ms=retention_ms,
        retention_bytes=retention_bytes,
        min_insync_replicas=in_sync,
    )


SOUND = [
    (EVENTS, config()),
    (EVENTS, config(retention_ms=-1, partitions=4)),
    (CATALOGUE, config(policy="compact", retention_ms=1)),
    (CATALOGUE, config(policy="compact,delete", retention_ms=-1)),
    (EXAMPLES, config(retention_ms=DAY_MS)),
    (EVENTS, config(replicas=(1,), brokers=1, in_sync=1)),
    (EVENTS, config(replicas=(1, 2), brokers=2, in_sync=1)),
    (EVENTS, config(policy=None, retention_ms=None, in_sync=None)),
]
"""The last is what a principal sees that may not describe configurations."""

WRONG = [
    (CATALOGUE, config(), "cleanup.policy", "cleanup.policy is delete, must be compact: .* deleted after 7 d", True),
    (CATALOGUE, config(policy="compact,delete"), "cleanup.policy", "is compact,delete, must be compact: .* after 7 d", True),
    (EVENTS, config(policy="compact"), "cleanup.policy", "is compact, must be delete: all records of a key but the last", True),
    (EVENTS, config(retention_ms=3_600_000), "retention.ms", r"is 3600000, must be at least 604800000 \(7 d\)", False),
    (EXAMPLES, config(partitions=4), "partitions", "4 partitions, must be 1: the order over all records matters", True),
    (EVENTS, config(replicas=(2,)), "replication.factor", "replication factor is 1, must be 3: records are lost", False),
    (EVENTS, config(in_sync=1), "min.insync.replicas", "is 1, must be 2: what one broker acknowledged may be lost", False),
    (EVENTS, config(in_sync=3), "min.insync.replicas", "is 3, must be 2: no broker may be down", False),
]


@pytest.mark.parametrize(("topic", "found"), SOUND)
def test_a_topic_that_keeps_its_records_is_sound(topic: Topic, found: TopicConfig) -> None:
    """So is one of which the broker tells nothing, or a cluster too small for copies."""
    assert faults(topic, found, "kafka:9092") == []


@pytest.mark.parametrize(("topic", "found", "setting", "text", "loses"), WRONG)
def test_a_wrong_setting_is_named_with_its_command(
    topic: Topic, found: TopicConfig, setting: str, text: str, loses: bool
) -> None:
    """Only those that lose or reorder records keep a worker from starting."""
    [fault] = faults(topic, found, "kafka:9092")
    assert fault.setting == setting
    assert re.search(text, fault.text), fault.text
    assert fault.loses_records is loses
    assert "--bootstrap-server kafka:9092 " in fault.fix
    assert topic.name in fault.fix


def test_more_copies_are_placed_on_other_brokers_in_turn() -> None:
    """Those that there are stay where they are, so that no leader moves."""
    [fault] = faults(EVENTS, config(replicas=(2,), partitions=2), "kafka:9092")
    assert (
        '{"topic":"headwater.events.v1","partition":0,"replicas":[2,1,3]},'
        '{"topic":"headwater.events.v1","partition":1,"replicas":[2,3,1]}' in fault.fix
    )


@pytest.mark.parametrize(
    ("milliseconds", "size", "text"),
    [
        (-1, -1, "ever"),
        (7 * DAY_MS, -1, "7 d"),
        (5_400_000, 1024, "1.5 h or 1,024 bytes"),
        (-1, 10, "10 bytes"),
        (None, None, "?"),
    ],
)
def test_retention_is_shown_in_units(milliseconds: int | None, size: int | None, text: str) -> None:
    """By time, by size, by both, or unknown."""
    assert retention(config(retention_ms=milliseconds, retention_bytes=size)) == text
