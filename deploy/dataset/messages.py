"""Events and catalogue changes in the JSON form that `headwater produce` takes."""

from collections.abc import Mapping
from typing import Any

from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from headwater.v1.events_pb2 import Event

__all__ = ["BODIES", "is_change", "is_message", "wire_event"]

BODIES = ("impression", "click", "read", "purchase", "action", "forget")


def is_message(row: Mapping[str, Any]) -> bool:
    """Whether a row is an event: protobuf's JSON holds the body as an object, where a flat row has plain values only."""
    return any(isinstance(row.get(body), dict) for body in BODIES)


def is_change(row: Mapping[str, Any]) -> bool:
    """Whether a row is a change of the catalogue."""
    return isinstance(row.get("upsert"), dict) or isinstance(row.get("delete"), dict)


def wire_event(occurrence: DecodedEvent) -> Event:
    """The event as producers send it.

    >>> wire_event(DecodedEvent(event_id="e", user_id="u", item_id="i", at=1.5, kind="like")).action.name
    'like'
    """
    event = Event(
        event_id=occurrence.event_id,
        user_id=occurrence.user_id,
        item_id=occurrence.item_id,
        recommendation_id=occurrence.recommendation_id,
    )
    event.occurred_at.FromMicroseconds(round(occurrence.at * 1e6))
    if occurrence.kind == IMPRESSION:
        event.impression.position = occurrence.position
        event.impression.SetInParent()
    elif occurrence.kind == "click":
        event.click.SetInParent()
    elif occurrence.kind == "read":
        event.read.seconds = occurrence.value or 0.0
    elif occurrence.kind == "purchase":
        event.purchase.amount = occurrence.value or 0.0
    else:
        event.action.name = occurrence.kind
        if occurrence.value is not None:
            event.action.value = occurrence.value
    return event
