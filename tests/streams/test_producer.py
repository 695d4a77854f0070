"""The producer client against a real broker."""

import signal
import subprocess
import sys

import pytest
from kafka import KafkaConsumer, TopicPartition

from feature_repo.settings import KafkaSettings
from protos.catalogue_pb2 import CatalogueChange
from protos.events_pb2 import Event
from protos.topics import CATALOGUE, EVENTS
from streams.producer import Delivery, DeliveryError, EventProducer
from streams.topics import describe, ensure_topics
from tests.broker import broker_process


def test_events_arrive_keyed_completed_and_counted(broker: KafkaSettings) -> None:
    """An application gives user, item and what happened; the rest is filled in."""
    ensure_topics(broker, partitions=1)
    with EventProducer(broker, clock=lambda: 1_700_000_000.5) as producer:
        event = Event(user_id="u1", item_id="i1")
        event.click.SetInParent()
        assert producer.send(event) == event.event_id != ""
        producer.send_change(CatalogueChange(upsert={"item_id": "i1", "type": "film"}))
        delivery = producer.flush()
    assert (delivery.acknowledged, delivery.failed) == (2, 0)
    consumer = KafkaConsumer(**broker.client_options())
    consumer.assign([TopicPartition(EVENTS.name, 0)])
    consumer.seek_to_beginning()
    record = next(consumer)
    consumer.close()
    assert record.key == b"u1"
    assert Event.FromString(record.value) == event
    assert event.occurred_at.ToNanoseconds() == 1_700_000_000_500_000_000
    assert {state.name: state.records for state in describe(broker)}[CATALOGUE.name] == 1


def test_a_lost_record_is_reported_although_the_client_flushes_quietly() -> None:
    """kafka-python's flush tells nothing of failed sends, so each record's own answer counts."""
    with broker_process() as (kafka, process):
        ensure_topics(kafka, partitions=1)
        producer = EventProducer(kafka, give_up_seconds=1.0)
        producer.send(Event(user_id="u1", item_id="i1"))
        assert producer.flush() == Delivery(acknowledged=1, failed=0, reasons=())
        process.send_signal(signal.SIGSTOP)
        producer.send(Event(user_id="u2", item_id="i1"))
        delivery = producer.flush()
        process.send_signal(signal.SIGCONT)
        assert (delivery.acknowledged, delivery.failed) == (1, 1)
        assert delivery.reasons[0].startswith("key u2: ")
        with pytest.raises(DeliveryError, match="1 records were not taken"):
            producer.flush(raise_on_failure=True)
        producer.close()


def test_an_event_without_user_is_refused_at_once(broker: KafkaSettings) -> None:
    """It could not be keyed."""
    producer = EventProducer(broker)
    with pytest.raises(ValueError, match="user_id"):
        producer.send(Event(item_id="i1"))
    producer.close()


def test_a_producer_host_needs_no_model_and_no_store() -> None:
    """Services that only push events must not install torch, Feast or Faust."""
    heavy = "torch", "feast", "faust", "numpy", "aiokafka", "transformers", "prometheus_client"
    code = f"import sys; import streams.producer, streams.topics; sys.exit(str([m for m in {heavy} if m in sys.modules] or ''))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stderr.strip() == ""
