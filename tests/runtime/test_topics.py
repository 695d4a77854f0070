"""Topics on a real broker."""

import pytest

from headwater.v1.events_pb2 import Event
from headwater.v1.topics import ALL_TOPICS, EVENTS, EXAMPLES
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import TopicError, describe, ensure_topics, log_ids


def test_topics_are_created_once_with_their_partitions(broker: KafkaSettings) -> None:
    """Auto-created topics would have one partition; a second start changes nothing."""
    assert set(ensure_topics(broker, partitions=3)) == {topic.name for topic in ALL_TOPICS}
    before = log_ids(broker, [EVENTS.name])
    assert ensure_topics(broker, partitions=3) == []
    states = {state.name: state for state in describe(broker)}
    assert states[EVENTS.name].partitions == 3
    assert states[EXAMPLES.name].partitions == 1
    assert states[EVENTS.name].records == 0
    assert log_ids(broker, [EVENTS.name]) == before


def test_another_number_of_partitions_is_refused_in_words(broker: KafkaSettings) -> None:
    """Repartitioning by accident would reorder users' events."""
    ensure_topics(broker, partitions=2)
    with pytest.raises(TopicError, match=r"headwater\.events\.v1 has 2 partitions, not 4"):
        ensure_topics(broker, partitions=4)


def test_records_are_counted_to_the_last(broker: KafkaSettings) -> None:
    """The embedded broker lists offsets by whole batches, so listing alone would tell too few."""
    ensure_topics(broker, partitions=2)
    with event_producer(broker) as producer:
        for number in range(1000):
            producer.send(Event(user_id=f"u{number}", item_id="i"))
    assert {state.name: state.records for state in describe(broker)}[EVENTS.name] == 1000
