"""Decoding of events and catalogue changes: what is taken, what is rejected with which reason, and that nothing raises."""

import math
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.decode import (
    MAX_EVENT_BYTES,
    MAX_FUTURE_SECONDS,
    Rejection,
    check_event,
    decode_change,
    decode_event,
    parse_event,
)
from feature_repo.decoded_event import DecodedEvent
from headwater.v1.catalogue_pb2 import CatalogueChange, Item
from headwater.v1.events_pb2 import Event

NOW = 1_700_000_000.0


def _event(**fields: object) -> Event:
    event = Event(event_id="e1", user_id="u1", item_id="i1")
    event.occurred_at.seconds = int(NOW) - 60
    event.click.SetInParent()
    for path, value in fields.items():
        *parents, last = path.split("__")
        target = event
        for parent in parents:
            target = getattr(target, parent)
        setattr(target, last, value)
    return event


def test_protobuf_and_json_give_the_same_occurrence() -> None:
    """Both forms share a topic, so they must mean the same."""
    event = _event(action__name="rate", action__value=4.5)
    from_protobuf = decode_event(event.SerializeToString(), key=b"u1", now=NOW)
    from_json = decode_event(b" \n" + MessageToJson(event).encode(), key=b"u1", now=NOW)
    assert from_protobuf == from_json
    assert from_protobuf == DecodedEvent(event_id="e1", user_id="u1", item_id="i1", at=NOW - 60, kind="rate", value=4.5)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"event_id": ""}, "event_id is missing"),
        ({"user_id": ""}, "user_id is missing"),
        ({"item_id": "i" * 257}, "item_id has 257"),
        ({"recommendation_id": "r" * 257}, "recommendation_id"),
        ({"occurred_at__seconds": 0}, "after 1970"),
        ({"occurred_at__seconds": 2**62}, "after 1970"),
        ({"occurred_at__nanos": -1}, "after 1970"),
        ({"read__seconds": -1.0}, "read.seconds"),
        ({"read__seconds": math.nan}, "read.seconds"),
        ({"read__seconds": math.inf}, "read.seconds"),
        ({"read__completion": 1.5}, "read.completion"),
        ({"purchase__amount": -0.01}, "purchase.amount"),
        ({"purchase__currency": "euro"}, "ISO 4217"),
        ({"action__name": "Like"}, "lower-case"),
        ({"action__name": ""}, "lower-case"),
        ({"action__name": "click"}, "a body of its own"),
        ({"action__value": 1e39, "action__name": "rate"}, "action.value"),
        ({"action__value": math.nan, "action__name": "rate"}, "action.value"),
    ],
)
def test_a_broken_constraint_is_named(fields: dict[str, object], word: str) -> None:
    """Whoever reads the dead letter learns which field to correct."""
    rejection = check_event(_event(**fields), NOW)
    assert isinstance(rejection, Rejection)
    assert rejection.reason == "constraint"
    assert word in rejection.detail


def test_a_censored_read_says_so() -> None:
    """In protobuf and JSON; a read that says nothing is whole."""
    cut = decode_event(
        b'{"event_id": "e", "user_id": "u1", "item_id": "i", "occurred_at": "2023-11-14T00:00:00Z", '
        b'"read": {"seconds": 9, "censored": true}}',
        key=b"u1",
        now=NOW,
    )
    whole = check_event(_event(read__seconds=9.0), NOW)
    assert isinstance(cut, DecodedEvent)
    assert isinstance(whole, DecodedEvent)
    assert (cut.value, cut.censored, whole.value, whole.censored) == (9.0, True, 9.0, False)


def test_a_missing_time_or_body_is_a_broken_constraint() -> None:
    """Neither has a default that would be true."""
    without_time, without_body = _event(), _event()
    without_time.ClearField("occurred_at")
    without_body.ClearField("click")
    for event, word in ((without_time, "occurred_at"), (without_body, "body")):
        rejection = check_event(event, NOW)
        assert isinstance(rejection, Rejection)
        assert word in rejection.detail


def test_the_future_is_allowed_by_the_slack_and_no_further() -> None:
    """Clocks differ by minutes; an event of next year would spoil every decayed counter."""
    edge = int(NOW + MAX_FUTURE_SECONDS)
    assert isinstance(check_event(_event(occurred_at__seconds=edge), NOW), DecodedEvent)
    late = check_event(_event(occurred_at__seconds=edge + 1), NOW)
    assert isinstance(late, Rejection)
    assert late.reason == "future"


def test_a_record_with_another_key_than_the_user_is_rejected() -> None:
    """Events of one user under several keys would reach several workers, out of order."""
    rejection = decode_event(_event().SerializeToString(), key=None, now=NOW)
    assert isinstance(rejection, Rejection)
    assert "key" in rejection.detail


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "unparseable"),
        (b"", "constraint"),
        (b"not protobuf", "unparseable"),
        (b'{"event_id": ', "unparseable"),
        (b'{"event_id": "\xff"}', "unparseable"),
        (b'{"event_id": "\\ud800"}', "unparseable"),
        (b"[" * 1000, "unparseable"),
        (b'{"a":' * 9000, "unparseable"),
        (b'{"read": {"seconds": 1e999}}', "unparseable"),
        (b"{" + b" " * MAX_EVENT_BYTES, "too_large"),
    ],
)
def test_bytes_that_are_no_event_are_rejected_with_their_reason(value: bytes | None, reason: str) -> None:
    """The reason is a metric's label, so it is one of a few words."""
    rejection = decode_event(value, key=b"u1", now=NOW)
    assert isinstance(rejection, Rejection)
    assert rejection.reason == reason


def test_protobuf_that_looks_like_json_is_still_read() -> None:
    """A length of 32 and an id in braces read as newline, space and brace."""
    event = _event(event_id="{" + "a" * 31)
    value = event.SerializeToString()
    assert value.startswith(b"\n {")
    assert parse_event(value) == event


def test_served_features_that_are_not_finite_are_rejected() -> None:
    """One infinity in an example would cost its whole batch."""
    event = _event()
    event.impression.served.values.extend([1.0, math.inf])
    rejection = check_event(event, NOW)
    assert isinstance(rejection, Rejection)
    assert "not finite" in rejection.detail


@given(st.binary(max_size=400))
def test_any_bytes_decode_or_are_rejected(value: bytes) -> None:
    """Nothing that a stranger sends may stop the stream."""
    assert isinstance(decode_event(value, key=b"u1", now=NOW), DecodedEvent | Rejection)
    assert isinstance(decode_change(value, key=b"i1", now=NOW), CatalogueChange | Rejection)


@given(st.integers(0, 60), st.binary(min_size=1, max_size=4))
def test_a_damaged_event_decodes_or_is_rejected(at: int, patch: bytes) -> None:
    """Damage inside an otherwise good message reaches deeper code than noise does."""
    good = _event(action__name="rate", action__value=4.0).SerializeToString()
    damaged = good[:at] + patch + good[at + len(patch) :]
    assert isinstance(decode_event(damaged, key=b"u1", now=NOW), DecodedEvent | Rejection)


def _item(**fields: Any) -> bytes:
    return CatalogueChange(upsert=Item(item_id="i1", type="film", **fields)).SerializeToString()


def test_catalogue_changes_are_checked() -> None:
    """An item needs an id and a kind; a delete only an id."""
    good = decode_change(b'{"upsert": {"item_id": "i1", "type": "film", "title": "T"}}', key=b"i1", now=NOW)
    assert isinstance(good, CatalogueChange)
    assert good.upsert.title == "T"
    assert isinstance(decode_change(b'{"delete": {"item_id": "i1"}}', key=b"i1", now=NOW), CatalogueChange)
    for value, word in (
        (b"{}", "upsert or delete"),
        (b'{"delete": {}}', "delete.item_id"),
        (b'{"upsert": {"item_id": "i1", "type": "Film"}}', "lower-case"),
        (b'{"upsert": {"item_id": "i1", "type": "film", "categories": [""]}}', "categories[0]"),
        (_item(language="en-" * 22), "upsert.language"),
        (_item(categories=["c"] * 257), "257, 256 are allowed"),
        (_item(attributes={f"name{number}": "" for number in range(65)}), "upsert.attributes holds too many names: 65, 64 are"),
        (_item(attributes={"n" * 65: ""}), "has 65 characters, 1 to 64 are allowed"),
        (_item(attributes={"": "x"}), "'' has 0 characters"),
        (_item(attributes={"brand": "x" * 8188}), "8193 characters of names and values, 8192 are allowed"),
        (b'{"upsert": {"item_id": "i1", "type": "film"}, "occurred_at": "2999-01-01T00:00:00Z"}', "ahead"),
    ):
        rejection = decode_change(value, key=b"i1", now=NOW)
        assert isinstance(rejection, Rejection)
        assert word in rejection.detail


def test_a_catalogue_record_is_keyed_by_its_item() -> None:
    """Keyed otherwise, compaction would drop another item; without a value it deletes the item, as Kafka's users expect."""
    upsert = b'{"upsert": {"item_id": "i1", "type": "film"}}'
    rejection = decode_change(upsert, key=b"film", now=NOW)
    assert isinstance(rejection, Rejection)
    assert "compaction" in rejection.detail
    assert decode_change(None, key=b"i1", now=NOW) == CatalogueChange(delete={"item_id": "i1"})
    assert isinstance(decode_change(None, key=None, now=NOW), Rejection)
