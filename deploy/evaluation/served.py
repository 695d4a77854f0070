"""Finding impressions and the actions that followed them in the events topic."""

from collections.abc import Iterable, Iterator, Mapping

from feature_repo.decode import parse_event
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import EVENTS
from runtime.settings import KafkaSettings
from runtime.topics import read_topic

__all__ = ["distinct", "impressions_of", "read_events"]


def read_events(kafka: KafkaSettings) -> Iterator[Event]:
    """All events that the log holds and that can be read; raises TopicError."""
    for record in read_topic(kafka, EVENTS.name):
        event = parse_event(record.value)
        if isinstance(event, Event):
            yield event


def distinct(events: Iterable[Event]) -> Iterator[Event]:
    """Each event once: a retry writes the same one again."""
    seen: set[str] = set()
    for event in events:
        if event.event_id not in seen:
            seen.add(event.event_id)
            yield event


def impressions_of(events: Iterable[Event], recommendation_id: str) -> Mapping[str, list[Event]]:
    """The impressions of one answer that carry served features, by slate, in the order of the lists."""
    slates: dict[str, list[Event]] = {}
    for event in distinct(events):
        if event.recommendation_id == recommendation_id and event.impression.HasField("served"):
            slates.setdefault(event.impression.slate, []).append(event)
    return {name: sorted(shown, key=lambda event: event.impression.position) for name, shown in slates.items()}
