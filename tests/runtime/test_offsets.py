"""Groups are listed and set back, and a store that was lost, or is an old copy, is filled from the log as it was."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import redis

from feature_repo.rows import ItemRow, UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore
from headwater.v1.events_pb2 import Click, Event
from runtime.broker.event_producer import event_producer
from runtime.offsets import OffsetsError, move, standing
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.feature_repo.worlds import VOCABULARY
from tests.redis import running_redis
from tests.streams.processes import PARTITIONS, environment_of, running_worker

USERS, ITEMS, SENT = 20, 15, 600
USER_GROUP, ITEM_GROUP = "headwater-features-users", "headwater-features-items"


def publish(kafka: KafkaSettings, numbers: Iterable[int] = range(SENT)) -> None:
    """Clicks of all users on all items."""
    with event_producer(kafka) as producer:
        for number in numbers:
            event = Event(event_id=f"e{number}", user_id=f"u{number % USERS}", item_id=f"i{number % ITEMS}", click=Click())
            event.occurred_at.seconds = 1_700_000_000 + number
            producer.send(event)


def plain(row: UserRow | ItemRow) -> tuple[object, ...]:
    """What a row has counted, and up to where; of an item nothing that depends on the order between partitions."""
    where = (row.partition, row.offset) if isinstance(row, UserRow) else sorted(row.offsets.items())
    return (where, row.first_at, row.updated_at, row.counters_CH[:, -1].tolist())


def work(kafka: KafkaSettings, settings: StoreSettings, directory: Path, count: int) -> None:
    """A features worker folds so many events, for users and items, and ends in order."""
    with running_worker(
        "streams.workers.features", environment_of(kafka, settings, directory), directory / "features.log"
    ) as worker:
        worker.wait_for("headwater_events_folded_total", count)
        worker.wait_for("headwater_item_actions_folded_total", count)
        worker.process.terminate()
        assert worker.process.wait(30) == 0


def counted(settings: StoreSettings) -> dict[str, tuple[object, ...]]:
    """Every row; of an item without its position, which depends on the order between partitions."""
    rows = RowStore(settings, VOCABULARY)
    users, items = rows.read_users([f"u{n}" for n in range(USERS)]), rows.read_items([f"i{n}" for n in range(ITEMS)])
    assert (len(users), len(items)) == (USERS, ITEMS)
    return {name: plain(row) for name, row in users.items()} | {name: plain(row)[1:] for name, row in items.items()}


def set_back(kafka: KafkaSettings) -> None:
    """Both groups of the features worker to the start."""
    for group in (USER_GROUP, ITEM_GROUP):
        move(kafka, group, "start")


def test_a_group_is_set_to_either_end(broker: KafkaSettings) -> None:
    """From the start all records wait, from the end none; the list says so too."""
    ensure_topics(broker, partitions=PARTITIONS)
    publish(broker)
    assert standing(broker) == []
    assert move(broker, USER_GROUP, "end") == 0
    assert move(broker, USER_GROUP, "start") == SENT
    [state] = standing(broker)
    assert (state.group, state.topic, state.committed, state.waiting) == (USER_GROUP, "headwater.events.v1", 0, SENT)
    with pytest.raises(OffsetsError, match="there is no group 'other'; ours are headwater-features-users"):
        move(broker, "other", "end")


@pytest.mark.timeout(300)
def test_a_lost_store_is_filled_again_from_the_log(broker: KafkaSettings, tmp_path: Path) -> None:
    """With an empty Redis and both groups set back, the worker makes the same rows, users' and items', each event once."""
    ensure_topics(broker, partitions=PARTITIONS)
    publish(broker)
    found = []
    for attempt in ("before", "after"):
        with running_redis(tmp_path / attempt) as settings:
            work(broker, settings, tmp_path, SENT)
            found.append(counted(settings))
        set_back(broker)
    assert found[1] == found[0]


@pytest.mark.timeout(300)
def test_an_old_copy_of_the_store_catches_up_from_the_log(broker: KafkaSettings, tmp_path: Path) -> None:
    """Rows of a backup go on from the positions that they know: with both groups set back, none counts an event twice or not."""
    ensure_topics(broker, partitions=PARTITIONS)
    with running_redis(tmp_path / "store") as settings:
        client: Any = redis.Redis.from_url(str(settings.redis_url))
        publish(broker, range(SENT // 2))
        work(broker, settings, tmp_path, SENT // 2)
        backup = {key: client.dump(key) for key in client.scan_iter()}
        publish(broker, range(SENT // 2, SENT))
        work(broker, settings, tmp_path, SENT // 2)
        before = counted(settings)

        client.flushall()
        for key, value in backup.items():
            client.restore(key, 0, value)
        assert counted(settings) != before
        set_back(broker)
        work(broker, settings, tmp_path, SENT // 2)
        assert counted(settings) == before
        client.close()
