"""The Apache Kafka that the tests of this package and the drills run on."""

from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from deploy.drills.kafka import KafkaMissingError, find_kafka
from headwater.v1.topics import EVENTS, EXAMPLES
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.kafka.conftest import StartKafka

pytestmark = pytest.mark.timeout(300)

_SASL = "org.apache.kafka.common.security"


def test_every_test_gets_an_empty_broker(kafka: KafkaSettings) -> None:
    """Topics of the test before are gone: this one creates them again."""
    assert EVENTS.name in ensure_topics(kafka, partitions=2)


@pytest.mark.parametrize("partitions", [3])
def test_every_test_may_choose_its_partitions(kafka: KafkaSettings, partitions: int) -> None:
    """A topic that stood with another number of partitions is deleted first."""
    assert EVENTS.name in ensure_topics(kafka, partitions=partitions)


def test_a_cluster_goes_on_without_one_node_and_takes_it_back(start_kafka: StartKafka) -> None:
    """A killed leader is replaced, acknowledged records stay, and the node copies what it missed once it is started again."""
    cluster = start_kafka(nodes=3)
    ensure_topics(cluster.inside, partitions=1)
    with_all = _send(cluster.inside, b"with all nodes")
    leader = cluster.leader(EVENTS.name)
    cluster.kill(leader)
    assert not cluster.running(leader)

    assert _send(cluster.inside, b"without one") == with_all + 1
    assert cluster.leader(EVENTS.name) != leader
    assert leader not in cluster.in_sync(EVENTS.name)

    cluster.restart(leader)
    cluster.wait_for(lambda: leader in cluster.in_sync(EVENTS.name))


def test_a_frozen_node_answers_nothing_until_it_is_thawed(start_kafka: StartKafka) -> None:
    """Its process stays, so that its connections stay open."""
    cluster = start_kafka()
    ensure_topics(cluster.inside, partitions=1)
    producer = KafkaProducer(**cluster.inside.client_options(), linger_ms=0)
    try:
        producer.send(EVENTS.name, b"before").get(timeout=30.0)
        cluster.freeze(1)
        assert cluster.running(1)
        waiting = producer.send(EVENTS.name, b"while it is frozen")
        with pytest.raises(KafkaTimeoutError):
            waiting.get(timeout=1.0)
        cluster.thaw(1)
        assert waiting.get(timeout=30.0).offset == 1
    finally:
        producer.close(timeout=0)


def test_clients_have_a_listener_that_asks_for_a_password(start_kafka: StartKafka) -> None:
    """Users of SCRAM are given while the log is formatted; settings reach the listener named CLIENTS."""
    cluster = start_kafka(
        protocol="SASL_PLAINTEXT",
        settings={
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": f"{_SASL}.scram.ScramLoginModule required;",
        },
        format_arguments=["--add-scram", "SCRAM-SHA-512=[name=ann,password=apple]"],
    )
    assert cluster.bootstrap_servers != cluster.inside.bootstrap_servers
    ann = KafkaSettings.model_validate(
        {
            "bootstrap_servers": cluster.bootstrap_servers,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": "ann",
            "sasl_password": "apple",
        }
    )
    assert EXAMPLES.name in ensure_topics(ann, partitions=1)


def test_settings_of_a_topic_and_of_a_node_can_be_given(start_kafka: StartKafka) -> None:
    """A topic that is compacted at once forgets all but the last record of a key; a node takes a setting when it starts again."""
    cluster = start_kafka(settings={"log.cleaner.min.cleanable.ratio": "0.01"})
    ensure_topics(cluster.inside, partitions=1)
    cluster.configure(EXAMPLES.name, {"cleanup.policy": "compact", "segment.ms": 500})
    partition = TopicPartition(EXAMPLES.name, 0)

    def first_two_are_one() -> bool:
        _send(cluster.inside, b"again", topic=EXAMPLES.name)  # the newest segment is never compacted
        consumer = KafkaConsumer(**cluster.inside.client_options())
        try:
            consumer.assign([partition])
            consumer.seek(partition, 0)
            found: list[Any] = next(iter(consumer.poll(timeout_ms=5_000).values()), [])
            return bool(found) and found[0].offset > 0
        finally:
            consumer.close()

    cluster.wait_for(first_two_are_one)
    cluster.stop(1)
    cluster.restart(1, {"message.max.bytes": 65_536})
    with pytest.raises(KafkaError, match="MessageSizeTooLarge"):
        _send(cluster.inside, b"x" * 100_000)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Kafka's jars or without Java the error says which, where it looked and what to do."""
    for name in ("HEADWATER_KAFKA_LIBS", "KAFKA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(KafkaMissingError, match=f"no Apache Kafka in {tmp_path}/libs.*KAFKA_HOME"):
        find_kafka()
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka-clients-4.3.1.jar").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KafkaMissingError, match="needs Java 17 or newer"):
        find_kafka()
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    with pytest.raises(KafkaMissingError, match=r"another: openjdk version .11\.0\.2"):
        find_kafka()
    old.write_text("#!/bin/sh\necho 'openjdk version \"21.0.2\"' >&2\n")
    assert find_kafka().version == "4.3.1"


def _send(kafka: KafkaSettings, value: bytes, *, topic: str = EVENTS.name) -> int:
    """The offset of an acknowledged record."""
    producer = KafkaProducer(**kafka.client_options(), acks="all", linger_ms=0)
    try:
        return int(producer.send(topic, key=b"key", value=value).get(timeout=60.0).offset)
    finally:
        producer.close(timeout=0)
