"""Everything is lost but what docs/operations.md says to keep; restored as it says, the system scores as before and learns on."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from feature_repo.store import apply
from headwater.client import by_task
from headwater.v1.recommender_pb2 import ScoreRequest, ScoreResponse
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from headwater.v1.topics import CATALOGUE
from headwater.v1.topics import EVENTS as EVENTS_TOPIC
from runtime.offsets import move
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.broker import running_broker
from tests.chaos.crew import eventually
from tests.chaos.live import EVENTS, Generation, Live, send_events, stop
from tests.redis import running_redis
from tests.streams.processes import PARTITIONS, WorkerProcess
from tests.streams.traffic import ITEMS, USERS
from training.storage.snapshots import SnapshotStore

pytestmark = pytest.mark.timeout(600)


@contextmanager
def place(directory: Path) -> Iterator[tuple[KafkaSettings, Generation]]:
    """An empty broker with the topics, an empty Redis, and the processes that would run with them; gone when the block ends."""
    with running_broker() as kafka, running_redis(directory / "store") as store:
        apply(store)
        ensure_topics(kafka, partitions=PARTITIONS)
        yield kafka, Generation(kafka, store, directory / "processes")


def mirrored(kafka: KafkaSettings) -> list[ConsumerRecord]:
    """What the mirror of the two topics holds."""
    consumer = KafkaConsumer(group_id=None, enable_auto_commit=False, fetch_max_wait_ms=50, **kafka.client_options())
    names = (EVENTS_TOPIC.name, CATALOGUE.name)
    partitions = [TopicPartition(name, number) for name in names for number in sorted(consumer.partitions_for_topic(name))]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    records: list[ConsumerRecord] = []
    while any((end := consumer.highwater(one)) is None or consumer.position(one) < end for one in partitions):
        for batch in consumer.poll(timeout_ms=200).values():
            records += batch
    consumer.close()
    return records


def mirror_back(records: list[ConsumerRecord], kafka: KafkaSettings) -> None:
    """Each record into the partition that it came from, with the time that it had there, as a mirror writes it."""
    producer = KafkaProducer(acks="all", **kafka.client_options())
    sent = [
        producer.send(
            one.topic, one.value, key=one.key, partition=one.partition, timestamp_ms=one.timestamp, headers=list(one.headers)
        )
        for one in records
    ]
    producer.flush()
    assert all(one.succeeded() for one in sent)
    producer.close()


def scored(server: WorkerProcess, address: str) -> list[ScoreResponse]:
    """Every item for every user, once the server has all of the items' state."""
    eventually(lambda: server.total("headwater_mirror_lag_records") == 0, "the server has read the items")
    with grpc.insecure_channel(address) as channel:
        stub, item_ids = RecommenderServiceStub(channel), [f"i{number}" for number in range(ITEMS)]
        requests = (ScoreRequest(user_id=f"u{number}", item_ids=item_ids) for number in range(USERS))
        return [stub.Score(request, timeout=20.0) for request in requests]


def scores(responses: list[ScoreResponse]) -> dict[tuple[int, str, str], float]:
    """Scores by user, item and task."""
    return {
        (user, item.item_id, task): score
        for user, response in enumerate(responses)
        for item in response.items
        for task, score in by_task(response.tasks, item.values).items()
    }


def restore(running: ExitStack, generation: Generation, kafka: KafkaSettings) -> Live:
    """The page's steps, after the mirror and the bucket are back."""
    catalogue = running.enter_context(generation.process("streams.workers.catalogue"))
    generation.wait_done(lambda group: group.startswith("headwater-catalogue-"))
    features = running.enter_context(generation.process("streams.workers.features"))
    features.wait_for("headwater_events_folded_total", EVENTS)
    generation.wait_done(lambda group: group.startswith("headwater-features-"))
    assert move(kafka, "headwater-learner", "end") == 0
    learner = running.enter_context(generation.process("streams.workers.learner"))
    server, address = running.enter_context(generation.server())
    return Live(catalogue=catalogue, features=features, learner=learner, server=server, address=address)


def test_after_the_loss_of_everything_scores_are_what_they_were_and_learning_goes_on(tmp_path: Path) -> None:
    """A mirror of two topics and a copy of the bucket are enough: rows are folded again, the learner goes on."""
    bucket = tmp_path / "copy of the bucket"
    with place(tmp_path / "lost") as (kafka, generation), ExitStack() as running:
        live = Live.start(running, generation, kafka)
        generation.wait_done(lambda group: group.startswith("headwater-features-"))
        stop(live.learner, live.features)
        latest = SnapshotStore(generation.snapshot_dir, clock=time.time).current()
        eventually(lambda: live.server.total("headwater_model_version") == latest, "the latest model serves")
        records = mirrored(kafka)
        shutil.copytree(generation.snapshot_dir, bucket)
        before = scored(live.server, live.address)
    shutil.rmtree(tmp_path / "lost")

    with place(tmp_path / "restored") as (kafka, generation), ExitStack() as running:
        mirror_back(records, kafka)
        shutil.copytree(bucket, generation.snapshot_dir)
        live = restore(running, generation, kafka)
        stop(live.features)
        after = scored(live.server, live.address)
        assert live.learner.total("headwater_examples_learned_total") == 0, "it knows what came before"
        with generation.process("streams.workers.features"):
            send_events(kafka, first=EVENTS)
            live.learner.wait_for("headwater_examples_learned_total", 100)
    assert not [response.info.degradations for response in (*before, *after) if response.info.degradations]
    assert {response.info.model_version for response in before} == {response.info.model_version for response in after}
    was, now = scores(before), scores(after)
    assert was.keys() == now.keys()
    for task in ("click", "like"):  # nobody read, so dwell is the same for all
        values = [was[where] for where in was if where[2] == task]
        # Rows have aged by minutes of years, and an item's counters were summed in another order of users.
        change = max(abs(now[where] - was[where]) for where in was if where[2] == task)
        assert change < 0.05 * (max(values) - min(values)), f"{task} scores changed by up to {change}"
