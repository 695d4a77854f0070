"""Workers as processes that are stalled, are asked to stop, or lose their store for a while."""

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, apply
from headwater.v1.topics import EVENTS, ITEM_ACTIONS
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.feature_repo.worlds import VOCABULARY
from tests.redis import redis_process
from tests.streams.processes import PARTITIONS, WorkerProcess, environment_of, running_worker
from tests.streams.traffic import traffic

USERS = [f"u{number}" for number in range(30)]
pytestmark = pytest.mark.timeout(600)


def _eventually(look: Callable[[], bool], what: str, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def _send(kafka: KafkaSettings, count: int, *, first: int = 0) -> None:
    with event_producer(kafka) as producer:
        for event in traffic(count, first=first):
            producer.send(event)


@contextmanager
def _flowing(kafka: KafkaSettings, *, at_once: int) -> Iterator[list[int]]:
    """Events until the block ends, so that no worker is quick enough to finish them; then the list holds their number."""
    stop, sent = threading.Event(), list[int]()

    def send() -> None:
        with event_producer(kafka) as producer:
            for number, event in enumerate(traffic(1_000_000), start=1):
                producer.send(event)
                if number > at_once and stop.wait(0.005):
                    break
        sent.append(number)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield sent
    finally:
        stop.set()
        sender.join()


def _waited(worker: WorkerProcess) -> float:
    """Seconds for which the worker says that it has waited for its store."""
    found = re.search(r"waiting for (\d+) s: the redis online store", worker.health[1])
    return float(found.group(1)) if found else 0.0


def _committed(kafka: KafkaSettings, group: str) -> dict[int, int]:
    consumer = KafkaConsumer(group_id=group, enable_auto_commit=False, **kafka.client_options())
    try:
        return {number: consumer.committed(TopicPartition(EVENTS.name, number)) or 0 for number in range(PARTITIONS)}
    finally:
        consumer.close()


def test_a_worker_that_stands_still_says_so_and_then_ends_itself(broker: KafkaSettings, tmp_path: Path) -> None:
    """Its thread hangs forever, so that it cannot end in order; the log shows where each thread stood."""
    ensure_topics(broker, partitions=PARTITIONS)
    with event_producer(broker) as producer:
        producer.send_bytes(ITEM_ACTIONS.name, "i1", b"anything")
    settings = {"HEADWATER_WORKER_STALL_SECONDS": "1", "HEADWATER_WORKER_EXIT_SECONDS": "20"}
    environment = environment_of(broker, StoreSettings(directory=tmp_path), tmp_path) | settings
    log = tmp_path / "log"
    with running_worker("tests.streams.stuck_worker", environment, log) as worker:
        _eventually(lambda: "stalled: 1 records wait" in worker.health[1], "said on /healthz")
        assert worker.process.wait(120) == 1
    text = log.read_text()
    assert "worker_stood_still" in text
    assert "stuck_worker.py" in text, "the stack of the thread that hangs"


def test_a_worker_asked_to_stop_finishes_its_batch_and_commits_it(broker: KafkaSettings, tmp_path: Path) -> None:
    """What is committed is exactly what is in the rows, so that nothing is read again; the next worker need not wait for it."""
    ensure_topics(broker, partitions=PARTITIONS)
    store = StoreSettings(directory=tmp_path / "store")
    apply(store)
    environment = environment_of(broker, store, tmp_path) | {"HEADWATER_WORKER_BATCH_SIZE": "64"}
    with (
        _flowing(broker, at_once=2000) as sent,
        running_worker("streams.workers.features", environment, tmp_path / "log") as worker,
    ):
        worker.wait_for("headwater_events_folded_total", 500)
        worker.process.terminate()
        assert worker.process.wait(120) == 0
    rows = RowStore(store, VOCABULARY).read_users(USERS).values()
    ends = {number: max((row.offset + 1 for row in rows if row.partition == number), default=0) for number in range(PARTITIONS)}
    assert 500 <= sum(ends.values()) < sent[0]
    assert _committed(broker, "headwater-features-users") == ends
    with running_worker("streams.workers.features", environment, tmp_path / "log") as worker:
        worker.wait_for("headwater_events_folded_total", sent[0] - sum(ends.values()))
        assert worker.total("headwater_events_duplicate_total") == 0


@pytest.mark.parametrize("fate", ["hangs", "is killed and comes back empty"])
def test_while_the_store_is_away_workers_wait_and_drop_nothing(broker: KafkaSettings, tmp_path: Path, fate: str) -> None:
    """The group does not rebalance meanwhile: its heartbeat goes on; /healthz names the store."""
    ensure_topics(broker, partitions=PARTITIONS)
    with ExitStack() as stack:
        process, url = stack.enter_context(redis_process())
        store = StoreSettings(kind="redis", directory=tmp_path / "store", redis_url=url)
        apply(store)
        environment = environment_of(broker, store, tmp_path) | {
            "HEADWATER_WORKER_STALL_SECONDS": "1",
            "HEADWATER_WORKER_EXIT_SECONDS": "20",
            "HEADWATER_WORKER_SESSION_TIMEOUT_SECONDS": "10",  # a busy machine alone must not cost a session
        }
        with running_worker("streams.workers.features", environment, tmp_path / "log") as worker:
            _send(broker, 1000)
            worker.wait_for("headwater_item_actions_folded_total", 1000)
            if fate == "hangs":
                process.send_signal(signal.SIGSTOP)
                _send(broker, 1000, first=1000)
                # Longer than the session, and than the time after which a stuck worker would end itself.
                _eventually(lambda: _waited(worker) > 25.0, "said on /healthz that it waits")
                assert worker.process.poll() is None
                assert worker.asked("livez") == (200, "ok"), "a restart would not help"
                process.send_signal(signal.SIGCONT)
            else:
                process.kill()
                process.wait()
                _send(broker, 1000, first=1000)
                _eventually(lambda: worker.total("headwater_store_retries_total") >= 3, "tried again")
                stack.enter_context(redis_process(url.port))
            worker.wait_for("headwater_item_actions_folded_total", 2000)
            worker.wait_for("headwater_events_folded_total", 2000)
            assert worker.total("headwater_events_folded_total") == 2000
            assert worker.total("headwater_events_duplicate_total") == 0
            assert worker.total("headwater_consumer_rebalances_total") == 2, "one for each group, at the start"
            assert worker.process.poll() is None
            _eventually(lambda: worker.health == (200, "ok"), "well again")
