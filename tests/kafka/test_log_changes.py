"""Topics that change under the workers that read them: created again, or given more partitions."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka.admin import NewPartitions

from deploy.drills.kafka import ApacheKafka
from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from headwater.v1.topics import ALL_TOPICS, EVENTS
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.streams.processes import WorkerProcess, environment_of, running_worker
from tests.streams.traffic import traffic

pytestmark = pytest.mark.timeout(400)
FOLDED, LAG, END = "headwater_events_folded_total", "headwater_consumer_lag_records", "headwater_consumer_end_offset"


def _send(kafka: KafkaSettings, count: int, *, first: int = 0) -> None:
    with event_producer(kafka) as producer:
        for event in traffic(count, first=first):
            producer.send(event)


def _environment(kafka: KafkaSettings, directory: Path) -> dict[str, str]:
    store = StoreSettings(directory=directory / "store")
    apply(store)
    return environment_of(kafka, store, directory) | {"HEADWATER_WORKER_STALL_SECONDS": "3"}


def _until(workers: list[WorkerProcess], look: Callable[[WorkerProcess], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while waiting := [worker for worker in workers if not look(worker)]:
        assert all(worker.running for worker in workers), waiting[0].log_text[-3000:]
        assert time.monotonic() < deadline, (waiting[0].health, waiting[0].log_text[-3000:])
        time.sleep(0.05)


def _well(worker: WorkerProcess) -> bool:
    return worker.health == (200, "ok") and worker.total(LAG) == 0


def test_workers_wait_for_topics_that_are_deleted_and_go_on_with_the_new_ones(
    kafka: KafkaSettings, apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    """Four seconds without any topic end no worker; what the new logs hold is read from their beginning."""
    ensure_topics(kafka, partitions=1)
    environment = _environment(kafka, tmp_path)
    with ExitStack() as stack:
        features, catalogue, learner = workers = [
            stack.enter_context(running_worker(f"streams.workers.{name}", environment, tmp_path / f"{name}.log"))
            for name in ("features", "catalogue", "learner")
        ]
        _send(kafka, 200)
        features.wait_for("headwater_item_actions_folded_total", 200)
        learner.wait_for(END, 1)
        _until(workers, _well)
        apache_kafka.ask(lambda admin: admin.delete_topics([topic.name for topic in ALL_TOPICS]))
        time.sleep(4.0)
        assert all(worker.running for worker in workers)
        ensure_topics(kafka, partitions=1)
        _send(kafka, 150, first=200)
        features.wait_for(FOLDED, 350)
        features.wait_for("headwater_item_actions_folded_total", 350)
        _until(workers, _well)
        assert features.total(FOLDED) == 350
        assert learner.total(END) > 0
        assert catalogue.total(END) == 0


def test_new_partitions_are_read_and_no_lag_is_claimed_before(
    kafka: KafkaSettings, apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    """From four to eight: the worker notices within seconds, and until it reads them its lag is unknown, not 0."""
    ensure_topics(kafka, partitions=4)
    with running_worker("streams.workers.features", _environment(kafka, tmp_path), tmp_path / "log") as worker:
        _send(kafka, 200)
        worker.wait_for(FOLDED, 200)
        _until([worker], _well)
        apache_kafka.ask(lambda admin: admin.create_partitions({EVENTS.name: NewPartitions(total_count=8)}))
        _send(kafka, 200, first=200)
        _until([worker], lambda worker: "partitions_changed" in worker.log_text, 30.0)
        assert "before=4 now=8" in worker.log_text
        _until([worker], lambda worker: worker.total(LAG) != 0 or worker.total(FOLDED) == 400, 3.0)  # measured each second
        while worker.total(FOLDED) < 400:
            assert worker.total(LAG) != 0 or worker.total(FOLDED) == 400
        _until([worker], _well)
        assert worker.total(FOLDED) == 400
