"""The features worker and the learner as processes beside a real broker and a real store, killed in the middle."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from feature_repo.rows import UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore
from headwater.internal.v1.streams_pb2 import DeadLetter
from headwater.v1.topics import DEAD_LETTERS, EVENTS, ITEM_ACTIONS
from runtime.broker.event_producer import event_producer
from runtime.record import Record
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics, log_ids
from streams.processors.item import ItemProcessor
from streams.processors.user import UserProcessor
from tests.feature_repo.worlds import VOCABULARY, table_of
from tests.streams.memory import MemoryRows
from tests.streams.processes import PARTITIONS, environment_of, read_topic, running_worker
from tests.streams.traffic import traffic

EVENTS_SENT = 3000


def plain(row: UserRow) -> tuple[object, ...]:
    """All of a row but the features of what awaits labels: those depend on how far the items had come."""
    waiting = [(one.item_id, one.shown_at, [repr(label) for label in one.labels]) for one in row.pending]
    where = (row.log, row.partition, row.offset, row.first_at, row.updated_at)
    return (row.counters_CH.tolist(), *where, row.recent_ids, repr(row.recent_R.tolist()), waiting, list(row.seen))


@pytest.mark.timeout(600)
def test_rows_after_kills_equal_those_of_a_clean_pass(
    broker: KafkaSettings, store_settings: StoreSettings, tmp_path: Path
) -> None:
    """Killed with SIGKILL in the middle of folding, twice; with repeats by the producer and junk in between."""
    environment = environment_of(broker, store_settings, tmp_path) | {
        "HEADWATER_WORKER_BATCH_SIZE": "100",
        "HEADWATER_LEARNER_CHECKPOINT_EXAMPLES": "64",
    }
    ensure_topics(broker, partitions=PARTITIONS)
    events = list(traffic(EVENTS_SENT))
    with event_producer(broker) as producer:
        for event in (*events, *events[-50:]):
            producer.send(event)
        producer.send_bytes(EVENTS.name, "u1", b"junk")

    for folded in (200, 200):
        with running_worker("streams.workers.features", environment, tmp_path / "features.log") as worker:
            worker.wait_for("headwater_events_folded_total", folded)
            worker.process.send_signal(signal.SIGKILL)
    with (
        running_worker("streams.workers.features", environment, tmp_path / "features.log") as features,
        running_worker("streams.workers.learner", environment, tmp_path / "learner.log") as learner,
    ):
        features.wait_for("headwater_events_dead_lettered_total", 1)
        store = RowStore(store_settings, VOCABULARY)
        expected_users, expected_items = clean_pass(broker, EVENTS_SENT)
        deadline = time.monotonic() + 180.0
        while (found := store.read_users(list(expected_users))) and time.monotonic() < deadline:
            if {name: plain(row) for name, row in found.items()} == expected_users:
                break
            time.sleep(0.2)
        assert {name: plain(row) for name, row in found.items()} == expected_users
        learner.wait_for("headwater_snapshots_published_total", 1)
        _assert_items(store, expected_items, deadline)
        for worker in (features, learner):
            worker.process.terminate()
            assert worker.process.wait(120) == 0
    letters = [DeadLetter.FromString(record.value or b"") for record in read_topic(broker, DEAD_LETTERS.name)]
    assert {(letter.value, letter.reason) for letter in letters} == {(b"junk", "unparseable")}


def clean_pass(
    kafka: KafkaSettings, sent: int
) -> tuple[dict[str, tuple[object, ...]], dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]]:
    """Rows of users and items after one pass over the `sent` events in the log, by one worker without a crash."""
    log = log_ids(kafka, (EVENTS.name,))[EVENTS.name]
    clean = MemoryRows(VOCABULARY)
    users = UserProcessor(table=table_of(0), store=clean, log=lambda: log, clock=time.time, cached_rows=1000)
    work = users.process(read_topic(kafka, EVENTS.name))
    assert len(work.folded_appended_at) == sent
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
        {name: plain(row) for name, row in users_found.items()},
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
