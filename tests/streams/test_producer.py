"""The producer client against a real broker."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from headwater.producer import DeliveryError, DeliveryReport
from headwater.producer.spool import Spool
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import CATALOGUE, EVENTS
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import describe, ensure_topics
from tests.broker import broker_process, free_port
from tests.streams.processes import PARTITIONS, read_topic


def test_events_arrive_keyed_completed_and_counted(broker: KafkaSettings) -> None:
    """An application gives user, item and what happened; the rest is filled in."""
    ensure_topics(broker, partitions=1)
    with event_producer(broker, clock=lambda: 1_700_000_000.5) as producer:
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
        producer = event_producer(kafka, give_up_seconds=5.0)
        producer.send(Event(user_id="u1", item_id="i1"))
        assert producer.flush() == DeliveryReport(acknowledged=1, failed=0, reasons=())
        process.send_signal(signal.SIGSTOP)
        producer.send(Event(user_id="u2", item_id="i1"))
        delivery = producer.flush()
        process.send_signal(signal.SIGCONT)
        assert (delivery.acknowledged, delivery.failed) == (1, 1)
        assert delivery.reasons[0].startswith("key u2: ")
        with pytest.raises(DeliveryError, match="1 records were not taken"):
            producer.flush(raise_on_failure=True)
        producer.close()


def _clicks(first: int, count: int) -> list[Event]:
    return [
        Event(event_id=f"e{number}", user_id=f"u{number % 3}", item_id="i1", click={}) for number in range(first, first + count)
    ]


def _by_user(kafka: KafkaSettings) -> dict[bytes, list[str]]:
    """Ids of the events in the log, by key, each at its first appearance."""
    found: dict[bytes, dict[str, None]] = {}
    for record in read_topic(kafka, EVENTS.name):
        found.setdefault(record.key or b"", {})[Event.FromString(record.value or b"").event_id] = None
    return {key: list(ids) for key, ids in found.items()}


def _expected(count: int) -> dict[bytes, list[str]]:
    return {f"u{user}".encode(): [f"e{number}" for number in range(user, count, 3)] for user in range(3)}


def test_a_broker_that_is_away_loses_nothing(tmp_path: Path) -> None:
    """Sent before, during and after; by a producer that ends in between and one that starts without a broker; all in order."""
    port = free_port()
    with broker_process(port) as (kafka, _):
        ensure_topics(kafka, partitions=PARTITIONS)
        producer = event_producer(kafka, spool=Spool(tmp_path), give_up_seconds=20.0)
        for event in _clicks(0, 50):
            producer.send(event)
        assert producer.flush() == DeliveryReport(acknowledged=50, failed=0, reasons=(), spooled=0)
        assert _by_user(kafka) == _expected(50)
    # The embedded broker's log ends with it, so the first events are sent again: repeats, by their ids.
    for event in _clicks(0, 200):
        producer.send(event)
    producer.close()
    with event_producer(kafka, spool=Spool(tmp_path), give_up_seconds=1.0) as producer:
        for event in _clicks(200, 50):
            producer.send(event)
        assert producer.flush().spooled == 250
    with broker_process(port) as (kafka, _), event_producer(kafka, spool=Spool(tmp_path), give_up_seconds=60.0) as producer:
        ensure_topics(kafka, partitions=PARTITIONS)
        for event in _clicks(250, 50):
            producer.send(event)
        assert producer.flush().spooled == 0
        assert _by_user(kafka) == _expected(300)


def test_a_producer_that_is_killed_loses_nothing(broker: KafkaSettings, tmp_path: Path) -> None:
    """What `send` has taken is on disk: the next producer sends it."""
    ensure_topics(broker, partitions=PARTITIONS)
    code = f"""
import os, signal
from pathlib import Path
from runtime.settings import KafkaSettings
from headwater.v1.events_pb2 import Event
from runtime.broker.event_producer import event_producer
from headwater.producer.spool import Spool
producer = event_producer(KafkaSettings(bootstrap_servers="127.0.0.1:1"), spool=Spool(Path({str(tmp_path)!r})))
for number in range(300):
    producer.send(Event(event_id=f"e{{number}}", user_id=f"u{{number % 3}}", item_id="i1", click={{}}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == -signal.SIGKILL
    with event_producer(broker, spool=Spool(tmp_path)) as producer:
        assert producer.flush().acknowledged == 300
    assert _by_user(broker) == _expected(300)


def test_a_broker_that_hangs_is_sent_to_again(tmp_path: Path) -> None:
    """An answer that never came may mean that the record arrived: it is sent again under the same id, and order holds."""
    with broker_process() as (kafka, process):
        ensure_topics(kafka, partitions=PARTITIONS)
        with event_producer(kafka, spool=Spool(tmp_path), give_up_seconds=60.0) as producer:
            producer.send(_clicks(0, 1)[0])
            producer.flush()
            process.send_signal(signal.SIGSTOP)
            for event in _clicks(1, 199):
                producer.send(event)
            time.sleep(1.0)
            process.send_signal(signal.SIGCONT)
            assert producer.flush().spooled == 0
        assert _by_user(kafka) == _expected(200)


def test_a_record_that_no_broker_takes_holds_up_no_other(broker: KafkaSettings, tmp_path: Path) -> None:
    """It is given up and reported; what came after it is delivered."""
    ensure_topics(broker, partitions=PARTITIONS)
    producer = event_producer(broker, spool=Spool(tmp_path))
    producer.send_bytes(EVENTS.name, "u9", b"x" * 2_000_000)
    producer.send(_clicks(0, 1)[0])
    delivery = producer.flush()
    producer.close()
    assert (delivery.acknowledged, delivery.failed, delivery.spooled) == (1, 1, 0)
    assert delivery.reasons[0].startswith("key u9: ")


def test_a_record_waits_for_others_to_go_with_it(broker: KafkaSettings) -> None:
    """A batch costs the broker the same however many records it has."""
    ensure_topics(broker, partitions=1)
    with event_producer(broker, linger_seconds=2.0) as producer:
        for number in range(3):
            producer.send(Event(user_id=f"u{number}", item_id="i1"))
            time.sleep(0.1)
        assert {state.name: state.records for state in describe(broker)}[EVENTS.name] == 0, "none is sent for itself"
        assert producer.flush().acknowledged == 3, "a flush waits for no others"
    with pytest.raises(ValueError, match="linger_seconds must be"):
        event_producer(broker, give_up_seconds=4.0, linger_seconds=2.0)


def test_an_event_without_user_is_refused_at_once(broker: KafkaSettings) -> None:
    """It could not be keyed."""
    producer = event_producer(broker)
    with pytest.raises(ValueError, match="user_id"):
        producer.send(Event(item_id="i1"))
    producer.close()


def test_a_producer_host_needs_no_model_and_no_store() -> None:
    """Services that only push events must not install torch, Feast or Faust."""
    heavy = "torch", "feast", "faust", "numpy", "aiokafka", "transformers", "prometheus_client"
    code = f"import sys; import runtime.broker.event_producer; sys.exit(str([m for m in {heavy} if m in sys.modules] or ''))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stderr.strip() == ""
