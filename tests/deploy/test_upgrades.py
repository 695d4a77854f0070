"""Other tasks on a live system: the old rows are refused with words, stay whole, and the new ones are folded from the log."""

from pathlib import Path

import pytest
from pydantic import RedisDsn

from feature_repo.settings import StoreSettings
from feature_repo.store import RowSchemaError, RowStore, apply
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.v1.events_pb2 import Click, Event
from runtime.broker.event_producer import event_producer
from runtime.offsets import move
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.broker import running_broker
from tests.feature_repo.worlds import TASKS, VOCABULARY
from tests.redis import redis_process
from tests.streams.processes import PARTITIONS, environment_of, running_worker

pytestmark = pytest.mark.timeout(300)

USERS, SENT = 10, 200
MORE_TASKS = (
    TASKS
    + """
[tasks.purchase]
kind = "binary"
event = "purchase"
window_seconds = 600
"""
)
MORE = Vocabulary(parse_tasks(MORE_TASKS))


def publish(kafka: KafkaSettings) -> None:
    """Clicks of all users."""
    with event_producer(kafka) as producer:
        for number in range(SENT):
            event = Event(event_id=f"e{number}", user_id=f"u{number % USERS}", item_id=f"i{number % 7}", click=Click())
            event.occurred_at.seconds = 1_700_000_000 + number
            producer.send(event)


def test_new_tasks_get_rows_of_their_own_while_the_old_ones_serve(tmp_path: Path) -> None:
    """The procedure of docs/upgrades.md, steps 1 to 4, with real parts."""
    users = [f"u{number}" for number in range(USERS)]
    with running_broker() as kafka, redis_process() as (_, url):
        old = StoreSettings(kind="redis", directory=tmp_path / "old", redis_url=url)
        new = StoreSettings(kind="redis", directory=tmp_path / "new", redis_url=RedisDsn(str(url).removesuffix("0") + "1"))
        for settings in (old, new):
            apply(settings)
        ensure_topics(kafka, partitions=PARTITIONS)
        publish(kafka)
        environment = environment_of(kafka, old, tmp_path)
        with running_worker("streams.workers.features", environment, tmp_path / "old.log") as worker:
            worker.wait_for("headwater_item_actions_folded_total", SENT)
            worker.process.terminate()
            assert worker.process.wait(30) == 0

        # The new tasks on the old rows: refused, with a message that says what to do.
        with pytest.raises(RowSchemaError, match=r"was written for other tasks, .* a store directory of their own and replay"):
            RowStore(old, MORE).read_users(users)

        move(kafka, "headwater-features-users", "start")
        move(kafka, "headwater-features-items", "end")
        (tmp_path / "more.toml").write_text(MORE_TASKS)
        changed = {"HEADWATER_TASKS_FILE": str(tmp_path / "more.toml"), "HEADWATER_STORE_REDIS_URL": str(new.redis_url)}
        with running_worker("streams.workers.features", environment | changed, tmp_path / "new.log") as worker:
            worker.wait_for("headwater_item_actions_folded_total", SENT)
            assert worker.total("headwater_events_folded_total") == SENT
            assert worker.total("headwater_events_dead_lettered_total") == 0
            worker.process.terminate()
            assert worker.process.wait(30) == 0

        before, after = RowStore(old, VOCABULARY).read_users(users), RowStore(new, MORE).read_users(users)
    assert set(before) == set(after) == set(users)
    actions = VOCABULARY.counters.index("actions")
    for user in users:
        assert before[user].counters_CH[actions].tolist() == after[user].counters_CH[actions].tolist()
        assert before[user].offset == after[user].offset
