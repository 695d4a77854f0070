"""Inspect and rewind consumer-group offsets: what is read again is recognised, and counts once."""

from dataclasses import dataclass
from typing import Literal

from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from headwater.v1.topics import CATALOGUE, EVENTS, EXAMPLES, ITEM_ACTIONS
from runtime.broker.access import connected
from runtime.broker.errors import BrokerError
from runtime.broker.log_consumer import LogConsumer
from runtime.broker.rights import (
    CATALOGUE_GROUPS,
    COMMANDS,
    FEATURES_ITEMS_GROUP,
    FEATURES_USERS_GROUP,
    LEARNER_GROUP,
    Right,
    narrowed,
)
from runtime.commit_note import MOVED
from runtime.errors import UserError
from runtime.settings import KafkaSettings
from runtime.topics import spans

__all__ = ["GROUPS", "GroupState", "OffsetsError", "Place", "committed", "move", "rights_to_move", "standing"]

GROUPS = {FEATURES_USERS_GROUP: EVENTS, FEATURES_ITEMS_GROUP: ITEM_ACTIONS, LEARNER_GROUP: EXAMPLES}
"""Groups whose names are fixed, and what each reads."""

Place = Literal["start", "remaining", "end"]
"""Where a group may be set to."""

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


def move(kafka: KafkaSettings, group: str, to: Place) -> int:
    """Sets a group to a place in its log; returns how many records then wait.

    `remaining` leaves it where it stands, except in partitions whose next records are gone: there it goes on with the first that
    is left. What lies before the place is left out on purpose: workers neither report it as lost nor read it again.

    The group is deleted and its offsets are written again: brokers refuse the first as long as it has members.

    Raises:
        OffsetsError: no such group, or its workers still run.
    """
    consumer = LogConsumer(kafka, group_id=group)
    try:
        found = spans(kafka, _partitions(consumer, group))
        places = {one: _place(consumer, one, span, to) for one, span in found.items()}
        with connected(kafka) as admin:
            answer = admin.delete_groups([group])[group]
        if answer not in ("OK", "GroupIdNotFoundError"):
            raise OffsetsError(f"{group} was not moved: {answer}; {_ADVICE}")
        consumer.assign(list(found))
        consumer.commit({one: OffsetAndMetadata(place, MOVED, -1) for one, place in places.items()})
    except KafkaError as error:
        raise OffsetsError(f"{group} was not moved: {error!r}; {_ADVICE}") from error
    finally:
        consumer.close()
    return sum(end - places[one] for one, (_, end) in found.items())


def committed(kafka: KafkaSettings, group: str, partition: int) -> tuple[int, str] | None:
    """What is committed for a partition, with its note; None where nothing is, or the broker does not tell."""
    consumer = LogConsumer(kafka, group_id=group)
    try:
        found = consumer.committed(TopicPartition(_topic(group), partition), metadata=True)
    except KafkaError:
        return None
    finally:
        consumer.close()
    return None if found is None else (found.offset, found.metadata)


def _place(consumer: LogConsumer, one: TopicPartition, span: tuple[int, int], to: Place) -> int:
    start, end = span
    if to == "remaining":
        return min(max(consumer.committed(one) or 0, start), end)
    return start if to == "start" else end


def _state(kafka: KafkaSettings, group: str) -> GroupState:
    consumer = LogConsumer(kafka, group_id=group)
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


def _partitions(consumer: LogConsumer, group: str) -> list[TopicPartition]:
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
