"""Groups are listed and set back, and a store that was lost is filled again from the log as it was."""

from pathlib import Path

import pytest

from feature_repo.rows import ItemRow, UserRow
from feature_repo.settings import KafkaSettings, StoreSettings
from feature_repo.store import RowStore, apply
from protos.events_pb2 import Click, Event
from streams.offsets import OffsetsError, move, standing
from streams.producer import EventProducer
from streams.topics import ensure_topics
from tests.feature_repo.worlds import VOCABULARY
from tests.redis import redis_process
from tests.streams.processes import PARTITIONS, environment_of, running_worker

USERS, ITEMS, SENT = 20, 15, 600
USER_GROUP, ITEM_GROUP = "headwater-features-users", "headwater-features-items"


def publish(kafka: KafkaSettings) -> None:
    """Clicks of all users on all items."""
    with EventProducer(kafka) as producer:
        for number in range(SENT):
            event = Event(event_id=f"e{number}", user_id=f"u{number % USERS}", item_id=f"i{number % ITEMS}", click=Click())
            event.occurred_at.seconds = 1_700_000_000 + number
            producer.send(event)


def plain(row: UserRow | ItemRow) -> tuple[object, ...]:
    """What a row has counted, and up to where; of an item nothing that depends on the order between partitions."""
    where = (row.partition, row.offset) if isinstance(row, UserRow) else sorted(row.offsets.items())
    return (where, row.first_at, row.updated_at, row.counters_CH[:, -1].tolist())


def test_a_group_is_set_to_either_end(broker: KafkaSettings) -> None:
    """From the start all records wait, from the end none; the list says so too."""
    ensure_topics(broker, partitions=PARTITIONS)
    publish(broker)
    assert standing(broker) == []
    assert move(broker, USER_GROUP, to_end=True) == 0
    assert move(broker, USER_GROUP, to_end=False) == SENT
    [state] = standing(broker)
    assert (state.group, state.topic, state.committed, state.waiting) == (USER_GROUP, "headwater.events.v1", 0, SENT)
    with pytest.raises(OffsetsError, match="there is no group 'other'; ours are headwater-features-users"):
        move(broker, "other", to_end=True)


@pytest.mark.timeout(300)
def test_a_lost_store_is_filled_again_from_the_log(broker: KafkaSettings, tmp_path: Path) -> None:
    """With an empty Redis and both groups set back, the worker makes the same rows, users' and items', each event once."""
    ensure_topics(broker, partitions=PARTITIONS)
    publish(broker)
    found = []
    for attempt in ("before", "after"):
        with redis_process() as (_, url):
            settings = StoreSettings(kind="redis", directory=tmp_path / attempt, redis_url=url)
            apply(settings)
            environment = environment_of(broker, settings, tmp_path)
            with running_worker("streams.features", environment, tmp_path / "features.log") as worker:
                worker.wait_for("headwater_events_folded_total", SENT)
                worker.wait_for("headwater_item_actions_folded_total", SENT)
                worker.process.terminate()
                assert worker.process.wait(30) == 0
            rows = RowStore(settings, VOCABULARY)
            users = {name: plain(row) for name, row in rows.read_users([f"u{n}" for n in range(USERS)]).items()}
            items = {name: plain(row) for name, row in rows.read_items([f"i{n}" for n in range(ITEMS)]).items()}
            found.append((users, items))
        for group in (USER_GROUP, ITEM_GROUP):
            move(broker, group, to_end=False)
    before, after = found
    assert len(before[0]) == USERS
    assert len(before[1]) == ITEMS
    assert after[0] == before[0]
    assert {name: row[1:] for name, row in after[1].items()} == {name: row[1:] for name, row in before[1].items()}
