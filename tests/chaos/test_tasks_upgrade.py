"""Other tasks on a live system, as docs/upgrades.md says it: rows folded again next to the old ones, and no failed call."""

from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from pydantic import RedisDsn

from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, apply
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.client import by_task
from runtime.offsets import move, standing
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.broker import running_broker
from tests.chaos.live import EVENTS, Caller, Generation, Live, retire, send_events, stop
from tests.deploy.test_upgrades import MORE_TASKS
from tests.redis import redis_process
from tests.streams.processes import PARTITIONS
from tests.streams.traffic import ITEMS, USERS

pytestmark = pytest.mark.timeout(600)

OLD_TASKS, NEW_TASKS = {"click", "dwell", "like"}, {"click", "dwell", "like", "purchase"}


def take_over(running: ExitStack, live: Live, new: Generation, kafka: KafkaSettings) -> Live:
    """Steps 2 to 5 of the page, up to new servers that are ready; events come all the while."""
    stop(live.features, live.learner, live.catalogue)
    move(kafka, "headwater-features-users", "start")
    move(kafka, "headwater-features-items", "end")
    move(kafka, "headwater-learner", "end")
    [catalogue_group] = [state.group for state in standing(kafka) if state.group.startswith("headwater-catalogue-")]
    assert move(kafka, catalogue_group, "start") == ITEMS

    catalogue = running.enter_context(new.process("streams.workers.catalogue"))
    features = running.enter_context(new.process("streams.workers.features"))
    learner = running.enter_context(new.process("streams.workers.learner"))
    send_events(kafka, first=EVENTS)
    features.wait_for("headwater_events_folded_total", 2 * EVENTS)
    learner.wait_for("headwater_snapshots_published_total", 1)
    new.wait_done(lambda group: group == catalogue_group)
    server, address = running.enter_context(new.server())
    return Live(catalogue=catalogue, features=features, learner=learner, server=server, address=address)


def entries(url: RedisDsn) -> int:
    """Items whose catalogue entry is in this database."""
    with redis.Redis.from_url(str(url)) as client:
        return sum(bool(client.hexists(key, "_ts:item_content")) for key in client.scan_iter())


def test_other_tasks_take_over_without_a_failed_call(tmp_path: Path) -> None:
    """Answers are full ones from the rows of either tasks; the new rows hold all that the log holds, the old ones stay."""
    (tmp_path / "more.toml").write_text(MORE_TASKS)
    vocabulary, users = Vocabulary(parse_tasks(MORE_TASKS)), [f"u{number}" for number in range(USERS)]
    with running_broker() as kafka, redis_process() as (_, url), ExitStack() as running:
        second = RedisDsn(str(url).removesuffix("0") + "1")
        old_store = StoreSettings(kind="redis", directory=tmp_path / "old-store", redis_url=url)
        new_store = StoreSettings(kind="redis", directory=tmp_path / "new-store", redis_url=second)
        apply(old_store)  # Redis alone needs no preparation, as the page has it: the new database gets none
        ensure_topics(kafka, partitions=PARTITIONS)
        old = Generation(kafka, old_store, tmp_path / "old")
        new = Generation(kafka, new_store, tmp_path / "new", {"HEADWATER_TASKS_FILE": str(tmp_path / "more.toml")})
        before = Live.start(running, old, kafka)
        caller = running.enter_context(Caller(before.address))

        after = take_over(running, before, new, kafka)
        caller.move_to(after.address)
        moved = len(caller.answers)
        retire(before, after, caller)
        assert (entries(url), entries(second)) == (ITEMS, ITEMS)
        rows = RowStore(new_store, vocabulary).read_users(users)
    actions = vocabulary.counters.index("actions")
    # Of the traffic every second event is an action; what the servers showed are impressions.
    assert sum(row.counters_CH[actions, -1] for row in rows.values()) == EVENTS
    assert caller.errors == []
    assert not [answer.info.degradations for answer in caller.answers if answer.info.degradations]
    tasks = [set(by_task(answer.tasks, answer.items[0].values)) for answer in caller.answers]
    assert tasks[0] == OLD_TASKS
    assert tasks[moved:] == [NEW_TASKS] * len(tasks[moved:])
    assert {len(answer.items) for answer in caller.answers} == {ITEMS}
