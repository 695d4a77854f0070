"""Inspect and rewind consumer-group offsets: what is read again is recognised, and counts once."""

from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from headwater.v1.topics import CATALOGUE, EVENTS, EXAMPLES, ITEM_ACTIONS
from runtime.broker.access import connected
from runtime.broker.errors import BrokerError
from runtime.broker.rights import (
    CATALOGUE_GROUPS,
    COMMANDS,
    FEATURES_ITEMS_GROUP,
    FEATURES_USERS_GROUP,
    LEARNER_GROUP,
    Right,
    narrowed,
)
from runtime.errors import UserError
from runtime.settings import KafkaSettings
from runtime.topics import spans

__all__ = ["GROUPS", "GroupState", "OffsetsError", "move", "rights_to_move", "standing"]

GROUPS = {FEATURES_USERS_GROUP: EVENTS, FEATURES_ITEMS_GROUP: ITEM_ACTIONS, LEARNER_GROUP: EXAMPLES}
"""Groups whose names are fixed, and what each reads."""

_ADVICE = "stop all of its workers first, and wait for HEADWATER_WORKER_SESSION_TIMEOUT_SECONDS"


class OffsetsError(UserError):
    """Offsets that cannot be told or moved; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupState:
    """One group in its topic, summed over the partitions."""

    group: str
    topic: str
    committed: int
    """Records of those that the log still holds, up to which offsets are committed."""
    waiting: int
    """Records behind that."""


def standing(kafka: KafkaSettings) -> list[GroupState]:
    """All groups of ours that the broker knows; raises OffsetsError."""
    try:
        with connected(kafka) as admin:
            known = sorted(str(group["group_id"]) for group in admin.list_groups())
    except BrokerError:
        raise
    except KafkaError as error:
        raise OffsetsError(f"{kafka.bootstrap_servers} does not tell its groups: {error!r}; check that it runs") from error
    return [_state(kafka, group) for group in known if _topic(group) is not None]


def move(kafka: KafkaSettings, group: str, *, to_end: bool) -> int:
    """Sets a group to the beginning of what the log still holds, or to its end; returns how many records then wait.

    The group is deleted and its offsets are written again: brokers refuse the first as long as it has members.

    Raises:
        OffsetsError: no such group, or its workers still run.
    """
    consumer = _consumer(kafka, group)
    try:
        found = spans(kafka, _partitions(consumer, group))
        with connected(kafka) as admin:
            answer = admin.delete_groups([group])[group]
        if answer not in ("OK", "GroupIdNotFoundError"):
            raise OffsetsError(f"{group} was not moved: {answer}; {_ADVICE}")
        consumer.assign(list(found))
        consumer.commit({one: OffsetAndMetadata(end if to_end else start, "", -1) for one, (start, end) in found.items()})
    except KafkaError as error:
        raise OffsetsError(f"{group} was not moved: {error!r}; {_ADVICE}") from error
    finally:
        consumer.close()
    return 0 if to_end else sum(end - start for start, end in found.values())


def _state(kafka: KafkaSettings, group: str) -> GroupState:
    consumer = _consumer(kafka, group)
    try:
        found = spans(kafka, _partitions(consumer, group))
        at = {one: max(consumer.committed(one) or 0, start) for one, (start, _) in found.items()}
    except KafkaError as error:
        raise OffsetsError(f"{kafka.bootstrap_servers} does not tell the offsets of {group}: {error!r}") from error
    finally:
        consumer.close()
    return GroupState(
        group=group,
        topic=str(_topic(group)),
        committed=sum(at[one] - start for one, (start, _) in found.items()),
        waiting=sum(max(end - at[one], 0) for one, (_, end) in found.items()),
    )


def rights_to_move(group: str) -> list[Right]:
    """What `move` needs on the broker; empty for a group that is not ours."""
    return narrowed(COMMANDS["offsets move"], group, _topic(group) or "")


def _consumer(kafka: KafkaSettings, group: str) -> KafkaConsumer:
    return KafkaConsumer(group_id=group, enable_auto_commit=False, allow_auto_create_topics=False, **kafka.client_options())


def _partitions(consumer: KafkaConsumer, group: str) -> list[TopicPartition]:
    topic = _topic(group)
    if topic is None:
        raise OffsetsError(f"there is no group {group!r}; ours are {', '.join(GROUPS)} and {CATALOGUE_GROUPS}ENCODER")
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise OffsetsError(f"there is no topic {topic}; run `headwater topics --create`")
    return [TopicPartition(topic, number) for number in sorted(numbers)]


def _topic(group: str) -> str | None:
    """Name of the topic that a group reads; None for a group that is not ours."""
    return CATALOGUE.name if group.startswith(CATALOGUE_GROUPS) else GROUPS[group].name if group in GROUPS else None
