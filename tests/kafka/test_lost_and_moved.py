"""Workers whose log lost records, or whose offsets an operator has set to another place."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import TopicPartition

from deploy.drills.kafka import ApacheKafka
from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from headwater.v1.topics import EVENTS
from runtime.broker.event_producer import event_producer
from runtime.broker.rights import FEATURES_USERS_GROUP
from runtime.offsets import move
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.kafka.commands import headwater
from tests.streams.processes import WorkerProcess, environment_of, running_worker
from tests.streams.traffic import traffic

pytestmark = pytest.mark.timeout(300)
FEATURES = "streams.workers.features"


def _send(kafka: KafkaSettings, count: int, *, first: int = 0) -> None:
    with event_producer(kafka) as producer:
        for event in traffic(count, first=first):
            producer.send(event)


def _until(worker: WorkerProcess, look: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120.0
    while not look():
        assert worker.running, worker.log_text[-3000:]
        assert time.monotonic() < deadline, worker.log_text[-3000:]
        time.sleep(0.05)


@pytest.fixture
def environment(kafka: KafkaSettings, tmp_path: Path) -> dict[str, str]:
    """A worker's settings, and 300 events of one partition that a worker has folded and committed."""
    ensure_topics(kafka, partitions=1)
    store = StoreSettings(directory=tmp_path / "store")
    apply(store)
    environment = environment_of(kafka, store, tmp_path)
    _send(kafka, 300)
    with running_worker(FEATURES, environment, tmp_path / "log") as worker:
        worker.wait_for("headwater_item_actions_folded_total", 300)
        worker.process.terminate()
        assert worker.process.wait(60) == 0
    return environment


def test_a_worker_that_lost_records_stays_until_its_offsets_are_moved(
    kafka: KafkaSettings, apache_kafka: ApacheKafka, environment: dict[str, str], tmp_path: Path
) -> None:
    """It answers 503 with number and time, counts the loss, reads nothing; the command in its log lets the next one go on."""
    _send(kafka, 400, first=300)
    apache_kafka.ask(lambda admin: admin.delete_records({TopicPartition(EVENTS.name, 0): 500}))
    with running_worker(FEATURES, environment, tmp_path / "held.log") as worker:
        _until(worker, lambda: worker.health[0] == 503 and "retention deleted 200 records" in worker.health[1])
        command = f"headwater offsets move {FEATURES_USERS_GROUP} --to remaining"
        assert f"`{command}`" in worker.health[1]
        assert worker.total("headwater_records_lost_total") == 200
        assert worker.total("headwater_events_folded_total") == 0
        _until(worker, lambda: "worker_holds" in worker.log_text)
        done = headwater(kafka, *command.split()[1:])
        assert done.status == 0, done.error
        assert "200 records wait for it" in done.printed
        assert worker.process.wait(60) == 1, "it exits, to be restarted"
    with running_worker(FEATURES, environment, tmp_path / "next.log") as worker:
        worker.wait_for("headwater_events_folded_total", 200)
        _until(worker, lambda: worker.health == (200, "ok"))
        assert worker.total("headwater_events_folded_total") == 200
        assert worker.total("headwater_records_lost_total") == 0


def test_events_before_the_place_that_a_group_was_moved_to_are_not_read(
    kafka: KafkaSettings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Although the store's rows count less far: the operator has left them out, and that holds at the start after next, too."""
    _send(kafka, 100, first=300)
    assert move(kafka, FEATURES_USERS_GROUP, "end") == 0
    for first, count in ((400, 50), (450, 20)):
        _send(kafka, count, first=first)
        with running_worker(FEATURES, environment, tmp_path / "moved.log") as worker:
            worker.wait_for("headwater_events_folded_total", count)
            _until(worker, lambda: worker.health == (200, "ok"))
            assert worker.total("headwater_events_folded_total") == count
            worker.process.terminate()
            assert worker.process.wait(60) == 0
