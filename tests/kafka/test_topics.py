"""Topics on Apache Kafka: none is created by asking, and one that is configured wrongly is marked and refused."""

import asyncio
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator

import faust
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError as AioKafkaError
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from deploy.drills.kafka import ApacheKafka
from feature_repo.items.mirror import ItemMirror
from feature_repo.items.table import ItemTable
from headwater.v1.topics import ALL_TOPICS, CATALOGUE, EVENTS
from runtime.settings import KafkaSettings
from runtime.topics import LogError, TopicError, describe, ensure_topics, log_ids, read_topic
from streams.consumer.app import faust_app
from streams.settings import WorkerSettings
from tests.feature_repo.worlds import VOCABULARY
from tests.kafka.commands import headwater
from tests.kafka.conftest import StartKafka

pytestmark = pytest.mark.timeout(300)

_CONFIGS = re.compile(r"kafka-configs\.sh (.*)$", re.MULTILINE)
_PLAN = re.compile(r"kafka-reassign-partitions\.sh .* <\(echo '(.*)'\)$", re.MULTILINE)


def _consume(kafka: KafkaSettings) -> None:
    consumer = KafkaConsumer(group_id=None, **kafka.client_options())
    try:
        assert not consumer.partitions_for_topic(EVENTS.name)
        consumer.assign([TopicPartition(EVENTS.name, 0)])
        consumer.poll(timeout_ms=500)
    finally:
        consumer.close()


def _produce(kafka: KafkaSettings) -> None:
    producer = KafkaProducer(max_block_ms=1000, **kafka.client_options())
    try:
        with pytest.raises(KafkaError):
            producer.send(EVENTS.name, b"value").get(timeout=2)
    finally:
        producer.close(timeout=0)


def _produce_from_a_loop(kafka: KafkaSettings) -> None:
    async def send() -> None:
        producer = AIOKafkaProducer(request_timeout_ms=1000, **kafka.aiokafka_options())
        await producer.start()
        try:
            with pytest.raises(AioKafkaError):
                await producer.send(EVENTS.name, b"value")
        finally:
            await producer.stop()

    asyncio.run(send())


def _consume_from_faust(kafka: KafkaSettings) -> None:
    async def run() -> None:
        application = faust_app("headwater-test", kafka=kafka, settings=WorkerSettings(), buffered=1)

        async def body(stream: faust.StreamT[bytes]) -> None:
            async for _ in stream:
                pass

        application.agent(application.topic(EVENTS.name, value_serializer="raw"))(body)
        await application.start()
        await asyncio.sleep(1.0)
        await application.stop()

    asyncio.run(run())


def _mirror(kafka: KafkaSettings) -> None:
    mirror = ItemMirror(ItemTable(VOCABULARY, dimensions=4), kafka)
    mirror.start()
    assert not mirror.wait_ready(1.0)
    mirror.stop()


def _read(kafka: KafkaSettings) -> None:
    with pytest.raises(TopicError, match="has no topic"):
        list(read_topic(kafka, EVENTS.name))
    with pytest.raises(LogError, match="has no topic"):
        log_ids(kafka, [EVENTS.name])
    assert describe(kafka) == []


@pytest.fixture(scope="module")
def eager(kafka_is_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """A node that creates the topics that it is asked for."""
    with ApacheKafka(tmp_path_factory.mktemp("eager"), settings={"auto.create.topics.enable": "true"}) as cluster:
        yield cluster


@pytest.mark.parametrize("ask", [_consume, _produce, _produce_from_a_loop, _consume_from_faust, _mirror, _read])
def test_asking_for_a_topic_does_not_create_it(eager: ApacheKafka, ask: Callable[[KafkaSettings], None]) -> None:
    """It would get the broker's partitions and clean-up; a catalogue made like that expires."""
    ask(eager.inside)
    assert not {topic.name for topic in ALL_TOPICS} & set(eager.ask(lambda admin: admin.list_topics()))


def test_a_topic_created_by_another_client_is_refused_until_it_is_corrected(eager: ApacheKafka) -> None:
    """`topics` shows what the broker has, and the command that it prints corrects it."""
    kafka = eager.inside
    eager.ask(lambda admin: admin.create_topics([CATALOGUE.name], wait_for_metadata=True))
    eager.ask(lambda admin: admin.create_topics({EVENTS.name: {"configs": {"retention.ms": "1000"}}}, wait_for_metadata=True))

    created = headwater(kafka, "topics", "--create", "--partitions", "1")
    assert created.status == 1
    assert f"{CATALOGUE.name}: cleanup.policy is delete, must be compact: the last record of a key" in created.error
    shown = headwater(kafka, "topics")
    assert shown.status == 1
    [row] = [line.split() for line in shown.printed.splitlines() if line.startswith(CATALOGUE.name)]
    assert row == [CATALOGUE.name, "1", "0", "1", "1", "delete", "!", "7", "d"]
    assert f"! {EVENTS.name}: retention.ms is 1000, must be at least 604800000 (7 d)" in shown.printed

    commands = _CONFIGS.findall(shown.printed)
    assert len(commands) == 2
    for arguments in commands:
        argv = eager.home.command("kafka.admin.ConfigCommand", *shlex.split(arguments))
        subprocess.run(argv, check=True, capture_output=True)
    assert headwater(kafka, "topics", "--create", "--partitions", "1").status == 0


def test_topics_of_a_cluster_get_three_copies_and_lost_ones_are_added(start_kafka: StartKafka) -> None:
    """The plan that `topics` prints is one that Kafka takes."""
    cluster = start_kafka(nodes=3, settings={"default.replication.factor": 1, "min.insync.replicas": 1})
    kafka = cluster.inside
    cluster.ask(lambda admin: admin.create_topics({EVENTS.name: {"num_partitions": 2}}, wait_for_metadata=True))
    assert ensure_topics(kafka, partitions=2)
    states = {state.name: state for state in describe(kafka)}
    assert (states[CATALOGUE.name].config.replication_factor, states[CATALOGUE.name].config.min_insync_replicas) == (3, 2)
    assert [fault.setting for fault in states[EVENTS.name].faults] == ["replication.factor", "min.insync.replicas"]

    shown = headwater(kafka, "topics")
    assert shown.status == 1
    [plan] = _PLAN.findall(shown.printed)
    moves = {TopicPartition(one["topic"], one["partition"]): one["replicas"] for one in json.loads(plan)["partitions"]}
    cluster.ask(lambda admin: admin.alter_partition_reassignments(moves))
    cluster.configure(EVENTS.name, {"min.insync.replicas": 2})
    cluster.wait_for(lambda: len(cluster.in_sync(EVENTS.name, 0)) == len(cluster.in_sync(EVENTS.name, 1)) == 3)
    assert headwater(kafka, "topics").status == 0
