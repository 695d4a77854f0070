"""Decoding and validation of events and catalogue changes, for the workers and the server alike.

Nothing here raises for bad input: what cannot be used comes back as a `Rejection`, so that it can be counted and kept.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from feature_repo.decoded_event import FORGET, IMPRESSION, DecodedEvent, Served
from headwater.internal.v1.packed_pb2 import PackedServed
from headwater.v1.catalogue_pb2 import CatalogueChange, Item, ItemDelete
from headwater.v1.events_pb2 import Action, Event, ServedFeatures
from runtime.record import UnreadableBatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "MAX_CHANGE_BYTES",
    "MAX_EVENT_BYTES",
    "MAX_FUTURE_SECONDS",
    "MAX_ID",
    "MAX_TIME",
    "MAX_VALUE",
    "Reason",
    "Rejection",
    "check_change",
    "check_event",
    "check_item",
    "decode_change",
    "decode_event",
    "parse_event",
    "unreadable",
]

MAX_EVENT_BYTES = 64 * 1024
MAX_CHANGE_BYTES = 256 * 1024  # with its vector an entry must stay well within Kafka's usual limit of 1 MiB a record
MAX_FUTURE_SECONDS = 600.0
"""How far a producer's clock may run ahead."""

MAX_ID = 256
"""Characters of an id."""
MAX_VALUE = 1e9
"""Largest number that an event may carry: labels travel as float32, and squares of errors must stay finite."""
MAX_TIME = 253_402_300_799.0
"""The end of the year 9999, Unix seconds."""

_MAX_HISTORY = 256
_MAX_CATEGORIES = 256
_MAX_ATTRIBUTES = 64
_MAX_ATTRIBUTE_CHARACTERS = 8 * 1024
_MAX_NAME = 64
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_RESERVED = frozenset((IMPRESSION, "click", "read", "purchase", FORGET))

Reason = Literal["unparseable", "constraint", "future", "too_large", "unreadable"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """Why a record cannot be used: a fixed word for metrics, and as text what is wrong and what to send instead."""

    reason: Reason
    detail: str


def decode_event(value: bytes | None, *, key: bytes | None, now: float) -> DecodedEvent | Rejection:
    """The event in a record of the events topic, or why it cannot be used; `now` is Unix seconds."""
    event = parse_event(value)
    if isinstance(event, Rejection):
        return event
    decoded = check_event(event, now)
    if isinstance(decoded, DecodedEvent) and key != event.user_id.encode():
        return _broken("the record's key is not the event's user_id: key it so, or one user's events lose their order")
    return decoded


def decode_change(value: bytes | None, *, key: bytes | None, now: float) -> CatalogueChange | Rejection:
    """The change in a record of the catalogue topic, or why it cannot be used; `now` is Unix seconds.

    A record without a value deletes the item of its key, as on any compacted topic.
    """
    if value is None and key:
        change: CatalogueChange | Rejection = CatalogueChange(delete=ItemDelete(item_id=key.decode(errors="replace")))
    else:
        change = _parse(value, CatalogueChange, MAX_CHANGE_BYTES)
    if isinstance(change, Rejection):
        return change
    if rejection := check_change(change, now):
        return rejection
    item_id = change.upsert.item_id or change.delete.item_id
    if key != item_id.encode():
        return _broken("the record's key is not the item's item_id: key it so, or compaction drops another item's entry")
    return change


def parse_event(value: bytes | None) -> Event | Rejection:
    """An event from protobuf or JSON, not yet checked."""
    return _parse(value, Event, MAX_EVENT_BYTES)


def check_event(event: Event, now: float) -> DecodedEvent | Rejection:
    """The event in the form that the folds work on, or the first constraint that it breaks; `now` is Unix seconds.

    >>> check_event(Event(event_id="e1", user_id="u1"), now=0.0)
    Rejection(reason='constraint', detail='item_id is missing')
    """
    body = event.WhichOneof("body")
    if (problem := _problem_of_ids(event, body)) is not None:
        return _broken(problem)
    if not event.HasField("occurred_at"):
        return _broken("occurred_at is missing: send when it happened, on the producer's clock")
    at = _when(event.occurred_at, now)
    if isinstance(at, Rejection):
        return at
    if body is None:
        return _broken("no body: give impression, click, read, purchase, action or forget (or this version does not know it)")
    parsed = _parsed(event, body)
    if isinstance(parsed, str):
        return _broken(parsed)
    return DecodedEvent(
        event_id=event.event_id,
        user_id=event.user_id,
        item_id=event.item_id,
        at=at,
        kind=parsed.kind,
        value=parsed.value,
        censored=body == "read" and event.read.censored,
        recommendation_id=event.recommendation_id,
        position=event.impression.position if body == IMPRESSION else 0,
        served=parsed.served,
    )


class _Said(NamedTuple):
    """What a body says."""

    kind: str
    value: float | None = None
    served: Served | None = None


def _problem_of_ids(event: Event, body: str | None) -> str | None:
    for field, text in (("event_id", event.event_id), ("user_id", event.user_id), ("item_id", event.item_id)):
        if not text and not (field == "item_id" and body == FORGET):
            return f"{field} is missing"
        if len(text) > MAX_ID:
            return f"{field} has {len(text)} characters, {MAX_ID} are allowed"
    if len(event.recommendation_id) > MAX_ID:
        return f"recommendation_id has {len(event.recommendation_id)} characters, {MAX_ID} are allowed"
    if body == FORGET and event.item_id:
        return "forget names an item, but a user is forgotten as a whole: leave item_id out"
    return None


def _parsed(event: Event, body: str) -> _Said | str:
    """What the event's body says, or what is wrong with it."""
    if body == IMPRESSION:
        served = _served(event.impression.served) if event.impression.HasField("served") else None
        return served if isinstance(served, str) else _Said(body, served=served)
    if body == "read":
        read = event.read
        if read.HasField("completion") and not 0.0 <= read.completion <= 1.0:
            return f"read.completion is {read.completion}, not a fraction from 0 to 1"
        return _bad_magnitude("read.seconds", read.seconds) or _Said(body, read.seconds)
    if body == "purchase":
        purchase = event.purchase
        if purchase.currency and not _CURRENCY.fullmatch(purchase.currency):
            return f"purchase.currency is {purchase.currency[:16]!r}, not an ISO 4217 code such as EUR"
        return _bad_magnitude("purchase.amount", purchase.amount) or _Said(body, purchase.amount)
    return _said_by_action(event.action) if body == "action" else _Said(body)


def _said_by_action(action: Action) -> _Said | str:
    if not _NAME.fullmatch(action.name):
        return f"action.name is {action.name[:80]!r}: use a lower-case letter, then up to 63 of a-z 0-9 _ . -"
    if action.name in _RESERVED:
        return f"action.name is {action.name!r}, which has a body of its own: send that body"
    if not action.HasField("value"):
        return _Said(action.name)
    if not abs(action.value) <= MAX_VALUE:
        return f"action.value is {action.value}, not a number within {MAX_VALUE:g}"
    return _Said(action.name, action.value)


def check_change(change: CatalogueChange, now: float) -> Rejection | None:
    """The first constraint that a catalogue change breaks, None if it is sound; `now` is Unix seconds."""
    if change.HasField("occurred_at"):
        if not _representable(change.occurred_at):
            return _broken("occurred_at is no time between the years 1 and 9999")
        if rejection := _ahead(change.occurred_at.seconds, now):
            return rejection
    kind = change.WhichOneof("change")
    if kind is None:
        return _broken("no change: give upsert or delete")
    item_id = change.upsert.item_id if kind == "upsert" else change.delete.item_id
    if not item_id:
        return _broken(f"{kind}.item_id is missing")
    if len(item_id) > MAX_ID:
        return _broken(f"{kind}.item_id has {len(item_id)} characters, {MAX_ID} are allowed")
    return check_item(change.upsert) if kind == "upsert" else None


def check_item(item: Item) -> Rejection | None:
    """The first constraint that a catalogue entry breaks, None if it is sound."""
    if not _NAME.fullmatch(item.type):
        return _broken(f"upsert.type is {item.type[:80]!r}: use a lower-case kind such as article, video or product")
    if len(item.categories) > _MAX_CATEGORIES:
        return _broken(f"upsert.categories holds too many: {len(item.categories)}, {_MAX_CATEGORIES} are allowed")
    for at, category in enumerate(item.categories):
        if not 0 < len(category) <= MAX_ID:
            return _broken(f"upsert.categories[{at}] has {len(category)} characters, 1 to {MAX_ID} are allowed")
    if item.HasField("published_at") and not _representable(item.published_at):
        return _broken("upsert.published_at is no time between the years 1 and 9999")
    if len(item.language) > _MAX_NAME:
        return _broken(f"upsert.language is no BCP 47 tag such as en or zh-Hans: it has {len(item.language)} characters")
    return _check_attributes(item.attributes)


def _check_attributes(attributes: Mapping[str, str]) -> Rejection | None:
    """Every server keeps a column for each name, and each column costs as much as its items."""
    if len(attributes) > _MAX_ATTRIBUTES:
        return _broken(f"upsert.attributes holds too many names: {len(attributes)}, {_MAX_ATTRIBUTES} are allowed")
    size = 0
    for name, value in attributes.items():
        if not 0 < len(name) <= _MAX_NAME:
            what = f"{len(name)} characters, 1 to {_MAX_NAME} are allowed"
            return _broken(f"upsert.attributes has a name of the wrong length: {name[:_MAX_NAME]!r} has {what}")
        size += len(name) + len(value)
    if size > _MAX_ATTRIBUTE_CHARACTERS:
        what = f"{size} characters of names and values, {_MAX_ATTRIBUTE_CHARACTERS} are allowed; long texts belong in upsert.text"
        return _broken(f"upsert.attributes is too large: {what}")
    return None


def unreadable(batch: UnreadableBatch) -> Rejection:
    """Why none of a batch's records can be used."""
    return Rejection(reason="unreadable", detail=f"it cannot be read: {batch.reason}")


_M = TypeVar("_M", Event, CatalogueChange)


def _parse(value: bytes | None, kind: type[_M], limit: int) -> _M | Rejection:
    if value is None:
        return Rejection(reason="unparseable", detail="the record has no value")
    if isinstance(value, UnreadableBatch):
        return unreadable(value)
    if len(value) > limit:
        return Rejection(reason="too_large", detail=f"{len(value)} bytes, {limit} are allowed")
    if value.lstrip()[:1] != b"{":
        return _from_protobuf(value, kind)
    parsed = _from_json(value, kind)
    # Protobuf can look like JSON: a newline is the tag of the first field, and an id may start with a brace.
    if isinstance(parsed, Rejection) and value[:1] != b"{" and isinstance(binary := _from_protobuf(value, kind), Message):
        return binary
    return parsed


def _from_protobuf(value: bytes, kind: type[_M]) -> _M | Rejection:
    try:
        return kind.FromString(value)
    except DecodeError as error:
        return Rejection(reason="unparseable", detail=f"neither JSON nor a {kind.__name__} in protobuf: {error}")


def _from_json(value: bytes, kind: type[_M]) -> _M | Rejection:
    try:
        # Fields that a newer producer may send are passed over, as protobuf does.
        return Parse(value, kind(), ignore_unknown_fields=True)
    except (ParseError, UnicodeError, ValueError, RecursionError) as error:
        return Rejection(reason="unparseable", detail=f"JSON that is no {kind.__name__}: {str(error)[:500]}")


def _when(stamp: Timestamp, now: float) -> float | Rejection:
    at = stamp.seconds + stamp.nanos * 1e-9
    if not _representable(stamp) or at <= 0.0:
        return _broken(f"occurred_at is {stamp.seconds} s and {stamp.nanos} ns, not a time after 1970")
    return _ahead(at, now) or at


def _ahead(at: float, now: float) -> Rejection | None:
    if at <= now + MAX_FUTURE_SECONDS:
        return None
    ahead = f"occurred_at is {at - now:.0f} s ahead of this machine's clock, {MAX_FUTURE_SECONDS:.0f} s are allowed"
    return Rejection(reason="future", detail=f"{ahead}: check the producer's clock")


def _representable(stamp: Timestamp) -> bool:
    return -62_135_596_800 <= stamp.seconds <= MAX_TIME and 0 <= stamp.nanos < 1_000_000_000


def _served(served: ServedFeatures) -> Served | str:
    """The features, or what is wrong with them."""
    import numpy as np  # a producer host has none, and nothing to do with what the server sends

    packed = PackedServed.FromString(served.SerializeToString())
    features, history = (np.frombuffer(values, dtype="<f4") for values in (packed.values, packed.history_values))
    if not (_finite(features) and _finite(history)):
        return "impression.served holds values that are not finite"
    predictions = np.frombuffer(packed.predictions, dtype="<f4")
    if np.isinf(predictions).any():
        return "impression.served holds predictions that are not finite"
    if len(packed.history_item_ids) > _MAX_HISTORY:
        return f"impression.served names {len(packed.history_item_ids)} history items, {_MAX_HISTORY} are allowed"
    return Served(
        fingerprint=packed.fingerprint,
        features=features,
        history_item_ids=packed.history_item_ids[:],
        history_values=history,
        predictions=predictions if len(predictions) else None,
    )


def _finite(values: "NDArray[np.float32]") -> bool:
    # A finite sum of squares has finite parts; it costs a tenth of looking at each, but may overflow.
    return math.isfinite(values.dot(values)) or all(map(math.isfinite, values.tolist()))


def _bad_magnitude(field: str, value: float) -> str | None:
    return None if 0.0 <= value <= MAX_VALUE else f"{field} is {value}, not a number from 0 to {MAX_VALUE:g}"


def _broken(detail: str) -> Rejection:
    return Rejection(reason="constraint", detail=detail)
