"""A user is forgotten: by the worker as a process, beside a real broker and a real store, killed in the middle."""

import signal
import threading
import time
from pathlib import Path

import pytest

from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore
from headwater.internal.v1.streams_pb2 import Erasure
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import ERASURES
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from streams.erasures import ForgetError, forget
from tests.feature_repo.worlds import VOCABULARY
from tests.streams.processes import PARTITIONS, environment_of, read_topic, running_worker

USER, OTHER, EVENTS_SENT = "ann", "bob", 400


def _event(user_id: str, number: int, at: float) -> Event:
    event = Event(event_id=f"{user_id}-{number}", user_id=user_id, item_id=f"i{number % 7}")
    event.occurred_at.FromMicroseconds(int(at * 1e6))
    if number % 2:
        event.click.SetInParent()
    else:
        event.impression.SetInParent()
    return event


def _send(kafka: KafkaSettings, events: list[Event]) -> None:
    with event_producer(kafka) as producer:
        for event in events:
            producer.send(event)


@pytest.mark.timeout(240)
def test_a_forgotten_user_stays_forgotten_through_kills_and_replays(
    broker: KafkaSettings, store_settings: StoreSettings, tmp_path: Path
) -> None:
    """The row is emptied, a receipt says of what, older events sent again count nothing, later ones begin a new user."""
    ensure_topics(broker, partitions=PARTITIONS)
    environment = environment_of(broker, store_settings, tmp_path) | {"HEADWATER_WORKER_BATCH_SIZE": "50"}
    start = time.time() - 3600.0
    old = [_event(user, number, start + number) for number in range(EVENTS_SENT) for user in (USER, OTHER)]
    _send(broker, old)
    store, log = RowStore(store_settings, VOCABULARY), tmp_path / "features.log"
    receipts: list[Erasure] = []
    asking = threading.Thread(target=lambda: receipts.append(forget(broker, USER, wait_seconds=180.0)))
    asking.start()  # nobody answers yet: the wish waits in the log, behind the events
    with running_worker("streams.workers.features", environment, log) as worker:
        worker.wait_for("headwater_events_folded_total", 100)
        worker.process.send_signal(signal.SIGKILL)
    with running_worker("streams.workers.features", environment, log) as worker:
        asking.join(180.0)
        [receipt] = receipts
        assert (receipt.user_id, receipt.events) == (USER, EVENTS_SENT)
        assert receipt.awaiting_impressions > 0
        assert store.read_user(USER, time.time()) is None
        worker.process.send_signal(signal.SIGKILL)  # its offsets may not be committed yet: the wish may come again

    _send(broker, [*old[:100], _event(USER, EVENTS_SENT, time.time())])
    with running_worker("streams.workers.features", environment, log) as worker:
        worker.wait_for("headwater_events_erased_before_total", 50)
        worker.wait_for("headwater_events_duplicate_total", 50)
        worker.wait_for("headwater_events_folded_total", 1)
        worker.process.terminate()
        assert worker.process.wait(20) == 0
    rows = store.read_users([USER, OTHER])
    assert rows[USER].counters_CH[:2, -1].sum() == 1.0
    assert rows[OTHER].counters_CH[:2, -1].sum() == EVENTS_SENT
    published = [Erasure.FromString(record.value or b"") for record in read_topic(broker, ERASURES.name)]
    assert all(one == receipt for one in published)


def test_a_wish_that_nobody_answers_stands_in_the_log(broker: KafkaSettings) -> None:
    """Without a worker there is no receipt, and the message says that asking again does no harm."""
    ensure_topics(broker, partitions=PARTITIONS)
    with pytest.raises(ForgetError, match="is on the log"):
        forget(broker, USER, wait_seconds=1.0)
