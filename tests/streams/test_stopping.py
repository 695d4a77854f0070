"""Workers that are asked to stop (SIGTERM) while they wait for something: each ends within five seconds."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from headwater.v1.topics import ITEM_ACTIONS
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.broker import free_port
from tests.streams.processes import PARTITIONS, WorkerProcess, environment_of, running_worker

pytestmark = pytest.mark.timeout(300)
WORKERS = [f"streams.workers.{name}" for name in ("features", "catalogue", "learner")]


def _stops(module: str, environment: dict[str, str], log: Path, waits: Callable[[WorkerProcess], bool]) -> None:
    """Starts a worker, waits until it waits, and asks it to stop."""
    with running_worker(module, environment, log) as worker:
        deadline = time.monotonic() + 120.0
        while not waits(worker):
            assert worker.running, worker.log_text[-3000:]
            assert time.monotonic() < deadline, worker.log_text[-3000:]
            time.sleep(0.05)
        asked = time.monotonic()
        worker.process.terminate()
        worker.process.wait(60)
        assert time.monotonic() - asked < 10.0, worker.log_text[-3000:]  # 4.5 s, and what a busy machine adds


def _environment(kafka: KafkaSettings, directory: Path) -> dict[str, str]:
    store = StoreSettings(directory=directory / "store")
    apply(store)
    return environment_of(kafka, store, directory)


@pytest.mark.parametrize("module", WORKERS)
def test_a_worker_stops_while_no_broker_answers(module: str, tmp_path: Path) -> None:
    """It has never been connected."""
    kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")
    environment = _environment(kafka, tmp_path)
    _stops(module, environment, tmp_path / "log", lambda worker: "no broker for" in worker.health[1])


@pytest.mark.parametrize("module", WORKERS)
def test_a_worker_stops_while_its_topics_are_missing(broker: KafkaSettings, module: str, tmp_path: Path) -> None:
    """It waits for the items, or for its first assignment."""
    environment = _environment(broker, tmp_path)
    _stops(module, environment, tmp_path / "log", lambda worker: worker.health[0] == 503)


def test_a_worker_stops_while_its_thread_hangs(broker: KafkaSettings, tmp_path: Path) -> None:
    """Nothing lets the batch end: the process ends without it, and what was under way is read again."""
    ensure_topics(broker, partitions=PARTITIONS)
    with event_producer(broker) as producer:
        producer.send_bytes(ITEM_ACTIONS.name, "i1", b"anything")
    environment = _environment(broker, tmp_path) | {"HEADWATER_WORKER_STALL_SECONDS": "1"}
    _stops("tests.streams.stuck_worker", environment, tmp_path / "log", lambda worker: "stalled" in worker.health[1])
    assert "stuck_worker.py" in (tmp_path / "log").read_text(), "the stack of the thread that hangs"
