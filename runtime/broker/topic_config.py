"""How topics are configured on the broker, what is wrong with that, and the command that corrects each fault."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from kafka.admin import ConfigResource, ConfigResourceType

from headwater.v1.topics import Topic
from runtime.broker.access import AdminClient

__all__ = ["Fault", "TopicConfig", "faults", "replicas_wanted", "retention", "topic_configs"]

_DAY_MS = 86_400_000
_COPIES = 3
_IN_SYNC = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicConfig:
    """One topic as the broker has it; None for what the broker does not tell."""

    topic_id: str
    """Changes when the topic is created again; empty where the broker gives none."""
    replicas: Mapping[int, Sequence[int]]
    """By partition, the ids of the brokers that hold a copy."""
    brokers: Sequence[int]
    """Ids of all brokers of the cluster."""
    cleanup_policy: frozenset[str] | None = None
    retention_ms: int | None = None
    """How long records are kept; -1 for no limit."""
    retention_bytes: int | None = None
    """How much of a partition is kept; -1 for all."""
    min_insync_replicas: int | None = None
    max_message_bytes: int | None = None
    """The largest batch that is taken, compressed."""

    @property
    def partitions(self) -> int:
        return len(self.replicas)

    @property
    def replication_factor(self) -> int:
        """Copies of the partition that has the fewest."""
        return min(map(len, self.replicas.values()), default=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One setting of a topic that is not as Headwater needs it."""

    setting: str
    """As Kafka names it."""
    text: str
    fix: str = field(repr=False)
    """The command that corrects it."""
    loses_records: bool = False
    """Whether records are lost or read out of order, so that no worker may start on the topic."""


def topic_configs(admin: AdminClient, names: Iterable[str]) -> dict[str, TopicConfig]:
    """Those of the topics that exist and that the principal may describe; raises KafkaError."""
    brokers = sorted(int(broker["broker_id"]) for broker in admin.describe_cluster()["brokers"])
    described = [entry for entry in admin.describe_topics(sorted(names)) if not entry["error_code"]]
    resources = [ConfigResource(ConfigResourceType.TOPIC, entry["name"]) for entry in described]
    settings = admin.describe_configs(resources, config_filter="all").get("topic", {}) if resources else {}
    found = {}
    for entry in described:
        values = {name: one["value"] for name, one in settings.get(entry["name"], {}).items()}
        policy = values.get("cleanup.policy")
        found[entry["name"]] = TopicConfig(
            topic_id=str(entry.get("topic_id") or ""),
            replicas={int(one["partition_index"]): tuple(one["replica_nodes"]) for one in entry["partitions"]},
            brokers=brokers,
            cleanup_policy=None if policy is None else frozenset(part.strip() for part in policy.split(",")),
            retention_ms=_number(values.get("retention.ms")),
            retention_bytes=_number(values.get("retention.bytes")),
            min_insync_replicas=_number(values.get("min.insync.replicas")),
            max_message_bytes=_number(values.get("max.message.bytes")),
        )
    return found


def replicas_wanted(brokers: int) -> int:
    """Copies of each partition, in a cluster of so many brokers."""
    return min(_COPIES, brokers)


def faults(topic: Topic, config: TopicConfig, bootstrap_servers: str) -> list[Fault]:
    """What is wrong; what the broker does not tell is not judged."""
    alter = f"kafka-configs.sh --bootstrap-server {bootstrap_servers} --alter --entity-type topics --entity-name {topic.name}"
    found = [*_clean_up(topic, config, alter), *_retention(topic, config, alter)]
    if topic.one_partition and config.partitions != 1:
        found.append(
            Fault(
                setting="partitions",
                text=f"{config.partitions} partitions, must be 1: the order over all records matters",
                fix=f"kafka-topics.sh --bootstrap-server {bootstrap_servers} --delete --topic {topic.name} && headwater topics "
                f"--create --bootstrap-servers {bootstrap_servers}",
                loses_records=True,
            )
        )
    return [*found, *_copies(topic, config, bootstrap_servers, alter)]


def _clean_up(topic: Topic, config: TopicConfig, alter: str) -> Iterable[Fault]:
    if config.cleanup_policy is None:
        return
    wanted, policy = ("compact" if topic.compacted else "delete"), ",".join(sorted(config.cleanup_policy))
    expires = "delete" in config.cleanup_policy and (config.retention_ms, config.retention_bytes) != (-1, -1)
    if topic.compacted and ("compact" not in config.cleanup_policy or expires):
        harm = f"the last record of a key is deleted after {retention(config)}"
    elif not topic.compacted and "compact" in config.cleanup_policy:
        harm = "all records of a key but the last are deleted"
    else:
        return
    yield Fault(
        setting="cleanup.policy",
        text=f"cleanup.policy is {policy}, must be {wanted}: {harm}",
        fix=f"{alter} --add-config cleanup.policy={wanted}",
        loses_records=True,
    )


def _retention(topic: Topic, config: TopicConfig, alter: str) -> Iterable[Fault]:
    least = topic.least_retention_days * _DAY_MS
    if not topic.compacted and config.retention_ms is not None and 0 <= config.retention_ms < least:
        yield Fault(
            setting="retention.ms",
            text=f"retention.ms is {config.retention_ms}, must be at least {least} ({topic.least_retention_days} d): a worker "
            "that is down for longer loses records",
            fix=f"{alter} --add-config retention.ms={least}",
        )


def _copies(topic: Topic, config: TopicConfig, bootstrap_servers: str, alter: str) -> Iterable[Fault]:
    wanted, copies = replicas_wanted(len(config.brokers)), config.replication_factor
    if copies < wanted:
        plan = json.dumps(_reassignment(topic, config, wanted), separators=(",", ":"))
        yield Fault(
            setting="replication.factor",
            text=f"replication factor is {copies}, must be {wanted}: records are lost with the brokers that hold them",
            fix=f"kafka-reassign-partitions.sh --bootstrap-server {bootstrap_servers} --execute --reassignment-json-file "
            f"<(echo {shlex.quote(plan)})",
        )
    in_sync = config.min_insync_replicas
    if in_sync is not None and max(copies, wanted) >= _COPIES and not _IN_SYNC <= in_sync < max(copies, wanted):
        harm = "what one broker acknowledged may be lost with it" if in_sync < _IN_SYNC else "no broker may be down"
        yield Fault(
            setting="min.insync.replicas",
            text=f"min.insync.replicas is {in_sync}, must be {_IN_SYNC}: {harm}",
            fix=f"{alter} --add-config min.insync.replicas={_IN_SYNC}",
        )


def _reassignment(topic: Topic, config: TopicConfig, copies: int) -> dict[str, object]:
    """What kafka-reassign-partitions.sh takes: the copies that there are, and more on brokers in turn."""
    partitions = []
    for partition, holders in sorted(config.replicas.items()):
        turn = partition % len(config.brokers)
        others = (one for one in chain(config.brokers[turn:], config.brokers[:turn]) if one not in holders)
        partitions.append(
            {"topic": topic.name, "partition": partition, "replicas": [*holders, *islice(others, copies - len(holders))]}
        )
    return {"version": 1, "partitions": partitions}


def retention(config: TopicConfig) -> str:
    """How long or how much is kept, such as `7 d`."""
    if config.retention_ms is None:
        return "?"
    parts = [] if config.retention_ms < 0 else [_duration(config.retention_ms)]
    if config.retention_bytes is not None and config.retention_bytes >= 0:
        parts.append(f"{config.retention_bytes:,} bytes")
    return " or ".join(parts) or "ever"


def _duration(milliseconds: int) -> str:
    for unit, size in (("d", _DAY_MS), ("h", 3_600_000), ("min", 60_000)):
        if milliseconds >= size:
            return f"{milliseconds / size:.3g} {unit}"
    return f"{milliseconds / 1000:.3g} s"


def _number(value: str | None) -> int | None:
    return None if value in (None, "") else int(str(value))
