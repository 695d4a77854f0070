"""Two owners of one partition at once, and a store that goes back in time: rows equal those of a clean pass all the same."""

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore
from headwater.v1.events_pb2 import Event
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.feature_repo.backends.test_fencing import copied
from tests.feature_repo.worlds import VOCABULARY
from tests.streams.processes import PARTITIONS, environment_of, running_worker
from tests.streams.traffic import traffic
from tests.streams.workers.test_workers import clean_pass, plain

FIRST, HELD, MORE = 300, 300, 200
FEATURES = "streams.workers.features"


@pytest.fixture
def world(broker: KafkaSettings, store_settings: StoreSettings, tmp_path: Path) -> "World":
    return World(broker, store_settings, tmp_path)


class World:
    """A broker, a store, and events that are sent in pieces."""

    def __init__(self, broker: KafkaSettings, store: StoreSettings, directory: Path) -> None:
        ensure_topics(broker, partitions=PARTITIONS)
        self.broker, self.store, self.directory = broker, store, directory
        self.environment = environment_of(broker, store, directory) | {"HEADWATER_WORKER_BATCH_SIZE": "50"}
        self._events = iter(list(traffic(FIRST + HELD + MORE)))
        self.sent = 0

    def send(self, count: int) -> None:
        """The next events; returns when the broker has them."""
        with event_producer(self.broker) as producer:
            for _ in range(count):
                event: Event = next(self._events)
                producer.send(event)
        self.sent += count

    def rows_equal_a_clean_pass(self) -> None:
        """Waits for it; fails with what differs."""
        expected, _ = clean_pass(self.broker, self.sent)
        rows = RowStore(self.store, VOCABULARY)
        deadline = time.monotonic() + 120.0
        while True:
            found = {name: plain(row) for name, row in rows.read_users(list(expected)).items()}
            if found == expected or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert found == expected


@contextmanager
def refusing_writes(store: StoreSettings) -> Iterator[None]:
    """While the block lasts, the store reads but does not write."""
    if store.kind == "redis":
        client: Any = redis.Redis(port=store.redis_url.port or 6379)
        client.config_set("min-replicas-to-write", 1)
        yield
        client.config_set("min-replicas-to-write", 0)
        client.close()
        return
    with closing(sqlite3.connect(store.directory / "online.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.timeout(400)
def test_a_frozen_worker_that_thaws_overwrites_nothing(world: World) -> None:
    """It holds a batch, is frozen for longer than its session, and wakes when another worker has gone on from there."""
    world.send(FIRST)
    with running_worker(FEATURES, world.environment, world.directory / "frozen.log") as frozen:
        frozen.wait_for("headwater_events_folded_total", FIRST)
        with refusing_writes(world.store):
            world.send(HELD)
            frozen.wait_for("headwater_store_retries_total", 1)
            frozen.process.send_signal(signal.SIGSTOP)
        with running_worker(FEATURES, world.environment, world.directory / "successor.log") as successor:
            successor.wait_for("headwater_events_folded_total", HELD)
            world.rows_equal_a_clean_pass()
            frozen.process.send_signal(signal.SIGCONT)
            time.sleep(3.0)  # long enough for its retry: with a session of 3 s, it has also heard that it is out
            world.send(MORE)
            world.rows_equal_a_clean_pass()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("running", [True, False], ids=["under a running worker", "between two runs"])
def test_a_store_restored_from_an_older_copy_is_filled_again(world: World, running: bool, tmp_path: Path) -> None:
    """The worker reads again from where the store stands; nothing is skipped, nothing is counted twice."""
    world.send(FIRST)
    restore: Callable[[], None]
    with running_worker(FEATURES, world.environment, world.directory / "features.log") as worker:
        worker.wait_for("headwater_events_folded_total", FIRST)
        world.rows_equal_a_clean_pass()
        with copied(world.store, tmp_path / "copy") as restore:
            world.send(HELD)
            worker.wait_for("headwater_events_folded_total", FIRST + HELD)
            world.rows_equal_a_clean_pass()
            if not running:
                worker.process.terminate()
                assert worker.process.wait(60) == 0
            restore()
        if running:
            world.send(MORE)
            worker.wait_for("headwater_store_rewinds_total", 1)
            world.rows_equal_a_clean_pass()
    if not running:
        with running_worker(FEATURES, world.environment, world.directory / "features.log"):
            world.send(MORE)
            world.rows_equal_a_clean_pass()
