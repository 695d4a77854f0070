"""Decoding and validation of the records by which processes tell each other of items.

Nothing here raises for bad input: what cannot be used comes back as a `Rejection`, so that it can be counted and kept.
"""

from typing import TypeVar

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from feature_repo.audience import Audience
from feature_repo.counters import HALF_LIFE_NAMES
from feature_repo.decode import MAX_ID, MAX_TIME, MAX_VALUE, Rejection, check_item, unreadable
from feature_repo.vocabulary import AUDIENCE, Vocabulary
from headwater.internal.v1.packed_pb2 import PackedItemActivity
from headwater.internal.v1.streams_pb2 import ItemAction, ItemContent
from runtime.record import UnreadableBatch

__all__ = ["Activity", "decode_action", "decode_activity", "decode_content"]

_MAX_SUM = 1e18  # a thousand million events of the largest value
_UNIT = 1.0 + 1e-3  # the most that a rounded part of a unit vector can be
_MAX_LOG = 2**63  # rows keep a log's id as a signed number

Activity = tuple[float, NDArray[np.float64], Audience]
"""When an item's counters stand (Unix seconds), the counters by half-life, and the item's audience."""

_M = TypeVar("_M", ItemAction, PackedItemActivity, ItemContent)


def decode_action(value: bytes | None, *, key: bytes | None, vocabulary: Vocabulary) -> ItemAction | Rejection:
    """The action in a record of the item-actions topic, or why it cannot be folded into an item's row."""
    action = _parse(value, ItemAction)
    if isinstance(action, Rejection):
        return action
    problem = _problem_of_id(action.item_id, key)
    if problem is None and not 0.0 < action.occurred_at <= MAX_TIME:
        problem = f"occurred_at is {action.occurred_at}, not a time after 1970 in Unix seconds"
    if problem is None and not action.deleted:
        problem = _problem_of_counts(action, len(vocabulary.tasks))
    return action if problem is None else Rejection(reason="constraint", detail=problem)


def decode_activity(value: bytes, *, key: bytes | None, vocabulary: Vocabulary) -> Activity | Rejection:
    """What a record of the item-activity topic says of its item, or why a table cannot take it."""
    activity = _parse(value, PackedItemActivity)
    if isinstance(activity, Rejection):
        return activity
    problem = _problem_of_id(activity.item_id, key)
    if problem is None and activity.fingerprint != vocabulary.fingerprint:
        problem = f"item {activity.item_id}: counted for other tasks; restart all processes with one tasks file"
    if problem is None:
        problem = _problem_of_packing(activity, vocabulary)
    if problem is not None:
        return Rejection(reason="constraint", detail=problem)
    values = np.frombuffer(activity.values, dtype="<f8")
    opinions_TA = np.frombuffer(activity.audience_opinions, dtype="<f4").reshape(len(vocabulary.tasks), -1)
    audience = Audience(places_A=np.frombuffer(activity.audience_places, dtype="<u2"), opinions_TA=opinions_TA)
    return float(values[1]), values[2:].reshape(-1, len(HALF_LIFE_NAMES)), audience


def decode_content(value: bytes, *, key: bytes | None) -> ItemContent | Rejection:
    """The entry in a record of the item-content topic, or why a table cannot take it."""
    content = _parse(value, ItemContent)
    if isinstance(content, Rejection):
        return content
    if (problem := _problem_of_id(content.item.item_id, key)) is not None:
        return Rejection(reason="constraint", detail=problem)
    if (rejection := check_item(content.item)) is not None:
        return rejection
    if len(content.vector) % 4:
        return Rejection(reason="constraint", detail=f"vector has {len(content.vector)} bytes, not 4 a number")
    vector_D = np.frombuffer(content.vector, dtype="<f4")
    if not (np.abs(vector_D) <= _UNIT).all():
        return Rejection(reason="constraint", detail="vector is not L2-normalised: it holds values beyond -1 and 1")
    return content


def _parse(value: bytes | None, kind: type[_M]) -> _M | Rejection:
    if isinstance(value, UnreadableBatch):
        return unreadable(value)
    try:
        return kind.FromString(value or b"")
    except DecodeError as error:
        name = kind.__name__.removeprefix("Packed")
        return Rejection(reason="unparseable", detail=f"not an {name} in protobuf: {error}")


def _problem_of_id(item_id: str, key: bytes | None) -> str | None:
    if not 0 < len(item_id) <= MAX_ID:
        return f"item_id has {len(item_id)} characters, 1 to {MAX_ID} are allowed"
    if key != item_id.encode():
        return f"the record's key is not its item_id {item_id!r}: key it so, or another item's record is replaced"
    return None


def _problem_of_counts(action: ItemAction, tasks: int) -> str | None:
    source = action.source
    if len(action.observations) != tasks or len(action.label_sums) != tasks:
        counted = f"an action of item {action.item_id!r} with {len(action.observations)} tasks, {tasks} are declared"
        return f"{counted}: it was folded before the tasks changed; replay the events"
    if source.partition < 0 or source.offset < 0 or source.log >= _MAX_LOG:
        return f"source is partition {source.partition}, offset {source.offset} of log {source.log}: no place in a log"
    if not all(0.0 <= count <= 1.0 for count in action.observations):
        return f"observations are {list(action.observations)}: an event adds 0 or 1 to each"
    if not all(abs(total) <= MAX_VALUE for total in action.label_sums):
        return f"label_sums are {list(action.label_sums)}, not numbers within {MAX_VALUE:g}"
    return None


def _problem_of_packing(activity: PackedItemActivity, vocabulary: Vocabulary) -> str | None:
    width, tasks = len(vocabulary.activity), len(vocabulary.tasks)
    if len(activity.values) != 8 * width:
        return f"item {activity.item_id}: {len(activity.values)} bytes of counters, not {8 * width}"
    places = len(activity.audience_places) // 2
    if len(activity.audience_places) % 2 or places > AUDIENCE or len(activity.audience_opinions) != 4 * tasks * places:
        found = f"{len(activity.audience_places)} bytes of places and {len(activity.audience_opinions)} of opinions"
        return f"item {activity.item_id}: {found}; 2 and {4 * tasks} belong to each of at most {AUDIENCE} users"
    values = np.frombuffer(activity.values, dtype="<f8")
    times, counters = values[:2], values[2:]
    counted = counters[: (2 + tasks) * len(HALF_LIFE_NAMES)]
    opinions = np.frombuffer(activity.audience_opinions, dtype="<f4")
    if not ((times >= 0.0).all() and (times <= MAX_TIME).all()):
        return f"item {activity.item_id}: {times.tolist()} are no times in Unix seconds"
    if not ((np.abs(counters) <= _MAX_SUM).all() and (counted >= 0.0).all()):
        return f"item {activity.item_id}: its counters are negative, not finite or beyond {_MAX_SUM:g}"
    if not (np.abs(opinions) <= _UNIT).all():
        return f"item {activity.item_id}: opinions of its audience are not cosines from -1 to 1"
    return None
