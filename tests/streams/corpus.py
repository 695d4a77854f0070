"""Corpus of good, bad and broken records of the events topic, each with what must become of it."""

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from feature_repo.decode import MAX_EVENT_BYTES
from headwater.v1.events_pb2 import Event
from tests.feature_repo.worlds import VOCABULARY

__all__ = ["CorpusRecord", "corpus"]

_NAN, _INFINITY = float("nan"), float("inf")


class CorpusRecord(NamedTuple):
    """One record; `reason` is None where it must be folded, a reason where it must become a dead letter."""

    key: bytes
    value: bytes
    reason: str | None
    event_id: str


def corpus(count: int, *, seed: int, now: float) -> list[CorpusRecord]:
    """`count` records of all sorts in random order; the same for the same seed. Event times lie before `now` (Unix seconds)."""
    draw = random.Random(seed)
    records: list[CorpusRecord] = []
    for number in range(count):
        make = (_sound, _broken)[draw.random() < 0.5]
        records.append(make(draw, f"e{number}", now))
    return records


def _sound(draw: random.Random, event_id: str, now: float) -> CorpusRecord:
    event = _event(draw, event_id, now)
    value = event.SerializeToString()
    shape = draw.choice(["protobuf", "protobuf", "json", "json snake", "newer", "newer json", "older", "loose json"])
    if shape == "json":
        value = json.dumps(_plain(event)).encode()
    elif shape == "json snake":
        value = b" \r\n" + json.dumps(_plain(event), indent=1, ensure_ascii=False).encode()
    elif shape == "newer":
        value += b"\xa2\x06\x03new" + b"\xa8\x06\x07"  # fields 100 and 101, which this version does not know
    elif shape == "newer json":
        value = json.dumps(_plain(event) | {"from_the_future": {"deep": [1, None]}}).encode()
    elif shape == "older":
        event.ClearField("recommendation_id")
        value = event.SerializeToString()
    elif shape == "loose json":  # numbers as strings are valid JSON of protobuf
        plain = _plain(event)
        if "read" in plain:
            plain["read"] = {"seconds": "12.5"}
        value = json.dumps(plain).encode()
    return CorpusRecord(event.user_id.encode(), value, None, event_id)


def _broken(draw: random.Random, event_id: str, now: float) -> CorpusRecord:
    event = _event(draw, event_id, now)
    key = event.user_id.encode()
    kind = draw.choice(list(_BREAKS))
    reason, breaks = _BREAKS[kind]
    value = breaks(draw, event, now)
    if kind == "another user's key":
        key = b"somebody-else"
    return CorpusRecord(key, value, reason, event_id)


def _event(draw: random.Random, event_id: str, now: float) -> Event:
    event = Event(event_id=event_id, user_id=f"ü{draw.randrange(8)}", item_id=f"i{draw.randrange(12)}")
    event.occurred_at.FromNanoseconds(int((now - draw.uniform(0, 86_400)) * 1e9))
    if draw.random() < 0.3:
        event.recommendation_id = f"r{draw.randrange(5)}"
    body = draw.choice(["impression", "click", "read", "purchase", "action", "unknown action"])
    if body in ("impression", "click"):
        getattr(event, body).SetInParent()
    elif body == "read":
        event.read.seconds = draw.choice([0.0, 1e-9, 30.0, 1e9])
    elif body == "purchase":
        event.purchase.amount, event.purchase.currency = draw.choice([0.0, 19.99]), draw.choice(["", "EUR"])
    elif body == "action":
        event.action.name, event.action.value = "rate", draw.choice([-1.0, 1.0, 5.0])
    else:
        event.action.name = draw.choice(["wave", "x-1.y_z"])  # no task asks for it: it still counts as an action
    return event


def _plain(event: Event) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(event, preserving_proto_field_name=True)


def _with(**changes: Any) -> Callable[[random.Random, Event, float], bytes]:
    """The event as JSON with some fields set otherwise; None leaves the field out."""

    def make(draw: random.Random, event: Event, now: float) -> bytes:
        plain = {name: value for name, value in (_plain(event) | changes).items() if value is not None}
        return json.dumps(plain).encode()

    return make


def _body(**body: Any) -> Callable[[random.Random, Event, float], bytes]:
    """The event as JSON with another body."""
    gone: dict[str, Any] = dict.fromkeys(("impression", "click", "read", "purchase", "action", "forget"))
    return _with(**(gone | body))


def _number(field: str, *numbers: float) -> Callable[[random.Random, Event, float], bytes]:
    """The event in protobuf with one of these as `read.seconds`, `purchase.amount` or `action.value`."""

    def make(draw: random.Random, event: Event, now: float) -> bytes:
        body, name = field.split(".")
        if body == "action":
            event.action.name = "rate"
        setattr(getattr(event, body), name, draw.choice(numbers))
        return event.SerializeToString()

    return make


def _shifted(draw: random.Random, event: Event, now: float) -> bytes:
    event.occurred_at.FromNanoseconds(int((now + draw.uniform(86_400, 1e8)) * 1e9))
    return event.SerializeToString()


def _huge(draw: random.Random, event: Event, now: float) -> bytes:
    return event.SerializeToString() + b"\xa2\x06" + _varint(MAX_EVENT_BYTES) + b"x" * MAX_EVENT_BYTES


def _truncated(draw: random.Random, event: Event, now: float) -> bytes:
    """Cut within the first string, so that no reading of the bytes is whole."""
    return event.SerializeToString()[: draw.randrange(1, 3)]


def _served(draw: random.Random, event: Event, now: float) -> bytes:
    event.impression.served.fingerprint = VOCABULARY.fingerprint
    event.impression.served.values.extend(draw.choice([[1.0, 2.0], [_NAN] * len(VOCABULARY.features), [_INFINITY]]))
    return event.SerializeToString()


def _untimely(draw: random.Random, event: Event, now: float) -> bytes:
    event.occurred_at.seconds, event.occurred_at.nanos = draw.choice([(0, 0), (-5, 0), (2**60, 0), (5, 2_000_000_000)])
    return event.SerializeToString()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def _cut_json(draw: random.Random, event: Event, now: float) -> bytes:
    value = json.dumps(_plain(event)).encode()
    return value[: draw.randrange(1, len(value) - 1)]


def _fixed(*values: bytes) -> Callable[[random.Random, Event, float], bytes]:
    return lambda draw, event, now: draw.choice(values)


_BREAKS: dict[str, tuple[str, Callable[[random.Random, Event, float], bytes]]] = {
    "junk": ("unparseable", _fixed(b"junk", b"\xff\xff\xff", b"\x00", b"[1, 2]", b"null", b"<xml/>")),
    "truncated": ("unparseable", _truncated),
    "cut JSON": ("unparseable", _cut_json),
    "not UTF-8": ("unparseable", _fixed(b'{"event_id": "\xff\xfe"}', b'{"event_id": "\\ud800"}')),
    "deep JSON": ("unparseable", _fixed(b'{"click": ' * 5000, b'{"x": ' + b"[" * 20_000)),
    "wrong types": ("unparseable", _with(user_id=7)),
    "wrong time": ("unparseable", _with(occurred_at="yesterday")),
    "wrong body": ("unparseable", _body(read={"seconds": "long"})),
    "two bodies": ("unparseable", _body(click={}, impression={})),
    "no event id": ("constraint", _with(event_id=None)),
    "no user": ("constraint", _with(user_id=None)),
    "no item": ("constraint", _with(item_id="")),
    "no time": ("constraint", _with(occurred_at=None)),
    "long id": ("constraint", _with(item_id="x" * 300)),
    "unknown body": ("constraint", _body(teleport={})),
    "empty": ("constraint", _fixed(b"", b"{}", b"  {}")),
    "forgets an item": ("constraint", _body(forget={})),
    "bad name": ("constraint", _body(action={"name": "Not A Name"})),
    "reserved name": ("constraint", _body(action={"name": "click"})),
    "bad currency": ("constraint", _body(purchase={"amount": 1, "currency": "euro"})),
    "bad completion": ("constraint", _body(read={"seconds": 1, "completion": 1.5})),
    "NaN seconds as JSON": ("constraint", _body(read={"seconds": "NaN"})),
    "bad seconds": ("constraint", _number("read.seconds", _NAN, -1.0, _INFINITY, 1e300)),
    "bad amount": ("constraint", _number("purchase.amount", _NAN, -0.01, -_INFINITY)),
    "bad value": ("constraint", _number("action.value", _NAN, 1e12, _INFINITY)),
    "bad features": ("constraint", _served),
    "untimely": ("constraint", _untimely),
    "another user's key": ("constraint", lambda draw, event, now: event.SerializeToString()),
    "from the future": ("future", _shifted),
    "huge": ("too_large", _huge),
}
