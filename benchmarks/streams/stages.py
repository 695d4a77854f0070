"""CPU time of the features worker by stage, run one after the other in one process."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.streams.plant import Plant, vocabulary
from benchmarks.streams.workload import catalogue, publications
from feature_repo.decode import decode_event
from feature_repo.items.mirror import ItemMirror
from feature_repo.items.table import ItemTable
from feature_repo.owned_rows import OwnedRows
from feature_repo.store import RowStore
from headwater.v1.topics import EVENTS, ITEM_ACTIONS, Topic
from runtime.broker.rights import FEATURES_USERS_GROUP
from runtime.health import Heartbeat
from runtime.publisher import Publisher
from runtime.record import Record
from runtime.topics import log_ids
from streams.consumer.group import Group
from streams.processors.item import ItemProcessor
from streams.processors.user import UserProcessor
from streams.settings import WorkerSettings

__all__ = ["STAGES", "measure"]

_EVENTS = 20_000
STAGES = {
    "take": "take events and item actions from the broker, through Faust",
    "decode": "decode and check events",
    "fold_users": "fold them into users' rows; build actions and examples",
    "fold_items": "fold actions into items' rows; build their states",
    "publish": "publish actions, examples and states",
    "write_users": "write users' rows to Redis, through Feast",
    "write_items": "write items' rows to Redis, through Feast",
    "mirror": "follow the items' states, for features that are assembled here",
}


def measure(say: Callable[[str], None], *, count: int = _EVENTS) -> dict[str, Any]:
    """Microseconds of this process's CPU time for an event, by stage; waiting for broker and store does not count."""
    names, settings = vocabulary(), WorkerSettings()
    items_and_vectors = list(catalogue())
    table = ItemTable(names, dimensions=len(items_and_vectors[0][1]))
    for item, vector_D in items_and_vectors:
        table.set_content(item, vector_D)
    spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        spent[name] += time.process_time() - began

    async def run(plant: Plant) -> None:
        store, publisher = RowStore(plant.store, names), Publisher(plant.kafka)
        log = log_ids(plant.kafka, (EVENTS.name,))[EVENTS.name]
        rows = OwnedRows(store, FEATURES_USERS_GROUP, log=lambda: log)
        users = UserProcessor(table=table, store=rows, log=lambda: log, clock=time.time, cached_rows=settings.cached_rows)
        items = ItemProcessor(names, store=store, clock=time.time, cached_rows=settings.cached_rows)
        await publisher.start()
        with stage("take"):
            records = await _taken(plant, EVENTS, count, settings)
        rows.claim({record.partition for record in records})
        for start in range(0, count, settings.batch_size):
            batch, now = records[start : start + settings.batch_size], time.time()
            before = spent["decode"]
            with stage("decode"):
                for record in batch:
                    decode_event(record.value, key=record.key, now=now)
            with stage("fold_users"):
                user_work = users.process(batch)
            spent["fold_users"] -= spent["decode"] - before  # it decodes them, too
            with stage("publish"):
                await publisher.publish(user_work.publications)
            with stage("write_users"):
                rows.begin({record.partition: record.offset + 1 for record in batch})
                users.write(user_work)
                rows.finish()
        with stage("take"):
            actions = await _taken(plant, ITEM_ACTIONS, count, settings)
        for start in range(0, count, settings.batch_size):
            with stage("fold_items"):
                item_work = items.process(actions[start : start + settings.batch_size])
            with stage("publish"):
                await publisher.publish(item_work.publications)
            with stage("write_items"):
                items.write(item_work)
        await publisher.stop()
        mirror = ItemMirror(ItemTable(names, dimensions=table.dimensions), plant.kafka)
        with stage("mirror"):
            mirror.start()
            await asyncio.to_thread(mirror.wait_ready, 120.0)
            mirror.stop()

    served = publications(names, count, served=True)
    with Plant() as plant:
        plant.publish(served)
        asyncio.run(run(plant))
    found = {name: 1e6 * spent[name] / count for name in STAGES}
    say(", ".join(f"{name} {one:.0f}" for name, one in found.items()) + " us an event")
    return {"events": count, "us_an_event": found, "us_an_event_together": sum(found.values())}


async def _taken(plant: Plant, topic: Topic, count: int, settings: WorkerSettings) -> Sequence[Record]:
    """All records of a topic as the worker's agent gets them."""
    group = Group(f"bench-{topic.name}", topic, kafka=plant.kafka, settings=settings, heartbeat=Heartbeat(time.monotonic))
    records: list[Record] = []
    done = asyncio.Event()

    async def body(stream: Any) -> None:
        async for taken in group.batches(stream):
            records.extend(taken.records)
            group.acknowledge(taken.ends)
            if len(records) >= count:
                done.set()

    group.agent(body)
    await group.app.start()
    await done.wait()
    await group.end_batches()
    await group.app.stop()
    return records
