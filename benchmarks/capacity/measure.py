"""Measurements for sizing: bytes of a row in Redis, and processor time of an event and of a response.

Processor time, not the clock on the wall: it tells what a core carries also where the machine has other things to do.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from redis import Redis

from deploy.drills.redis import DurableRedis
from deploy.drills.system import System, eventually, running_system
from feature_repo.items.table import ItemTable
from feature_repo.owned_rows import OwnedRows
from feature_repo.settings import FeatureSettings, StoreSettings
from feature_repo.store import RowStore, apply
from feature_repo.vocabulary import AUDIENCE, Vocabulary
from headwater.internal.v1.streams_pb2 import ItemAction, ItemContent
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2 import ListSpec, RecommendRequest, ScoreRequest
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from headwater.v1.topics import EVENTS, ITEM_ACTIONS
from runtime.broker.event_producer import event_producer
from runtime.broker.rights import FEATURES_USERS_GROUP
from runtime.record import Record
from streams.processors.item import ItemProcessor
from streams.processors.user import UserProcessor

__all__ = ["processes", "store"]

_TASKS = Path(__file__).parents[2] / "deploy" / "local" / "tasks.toml"
_DIMENSIONS = 384
_USERS, _ITEMS = 50, 500
_FEW, _MANY = 20, 600
_FULL = 50
_EVENTS = 12_000
_ANSWERS = 300
_CANDIDATES = (1, 100, 500)
_SECONDS = 240.0
_IDLE_SECONDS = 6.0
_BEGAN = 1_760_000_000.0


def store(directory: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Bytes of Redis for a user who did little, one whose row is full, an item that few know or many, and its text vector."""
    vocabulary = FeatureSettings(tasks_file=_TASKS).vocabulary()
    with DurableRedis(directory / "redis") as redis:
        eventually(redis.healthy, 30.0)
        settings = StoreSettings.model_validate(
            {"kind": "redis", "directory": directory / "store", "redis_url": f"redis://127.0.0.1:{redis.port}/0"}
        )
        apply(settings)
        rows, client = RowStore(settings, vocabulary), Redis(port=redis.port)
        table = ItemTable(vocabulary, dimensions=_DIMENSIONS)

        def used() -> int:
            memory: Any = client.info("memory")  # the client's types allow for its asynchronous form
            return int(memory["used_memory"])

        def grown(step: Callable[[], None]) -> int:
            before = used()
            step()
            return used() - before

        found: dict[str, Any] = {}
        actions: list[bytes] = []
        for name, events in (("few", _FEW), ("many", _MANY)):
            say(f"{_USERS} users with {events} events each")
            owned = OwnedRows(rows, FEATURES_USERS_GROUP, log=lambda: 1)
            users = UserProcessor(table=table, store=owned, log=lambda: 1, clock=time.time, cached_rows=10 * _USERS)

            def fold(users: UserProcessor = users, owned: OwnedRows = owned, name: str = name, events: int = events) -> None:
                records = list(_history(name, events))
                owned.claim({record.partition for record in records})
                work = users.process(records)
                actions.extend(value for topic, _, value in work.publications if topic == ITEM_ACTIONS.name and value)
                owned.begin({record.partition: record.offset + 1 for record in records})
                users.write(work)
                owned.finish()

            found[f"user_{name}_bytes"] = grown(fold) / _USERS
            found[f"user_{name}_events"] = events
        say(f"{_ITEMS} items")
        items = ItemProcessor(vocabulary, store=rows, clock=time.time, cached_rows=10 * _ITEMS)
        seen = {ItemAction.FromString(value).item_id for value in actions}

        def fold_items() -> None:
            items.write(items.process([_record(ITEM_ACTIONS.name, at, b"", value) for at, value in enumerate(actions)]))

        found["item_activity_bytes"] = grown(fold_items) / len(seen)

        def fill_audiences() -> None:
            clicks = enumerate(_clicks(vocabulary))
            items.write(items.process([_record(ITEM_ACTIONS.name, at, b"", value) for at, value in clicks]))

        found["item_full_activity_bytes"] = grown(fill_audiences) / _FULL
        found["item_content_bytes"] = grown(lambda: rows.write_contents([_content(number) for number in range(_ITEMS)])) / _ITEMS
        client.close()
    found["item_table_bytes"] = table.row_bytes
    return found


def processes(directory: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Processor seconds of an event in the features worker, of an example in the learner, and of an answer by its size."""
    with running_system(directory, snapshot_dir=None, items=_ITEMS) as system:
        say(f"{_EVENTS:,} events")
        before, learned_before = _cpu(system, "features"), _cpu(system, "learner")
        _publish(system)
        if not eventually(lambda: _total(system, "features", "events_folded_total") >= _EVENTS, _SECONDS):
            raise RuntimeError(f"not all of {_EVENTS} events were folded in {_SECONDS:.0f} s; look at {directory / 'logs'}")
        features = _cpu(system, "features") - before
        eventually(lambda: _total(system, "server", "model_version") > 0, _SECONDS)
        learner, learned = _cpu(system, "learner") - learned_before, _total(system, "learner", "examples_learned_total")
        found: dict[str, Any] = {
            "event_cpu_s": features / _EVENTS,
            "events_per_core_s": _EVENTS / features,
            "example_cpu_s": learner / max(learned, 1.0),
            "requests_per_core_s": {},
        }
        with grpc.insecure_channel(system.state.server) as channel:
            stub = RecommenderServiceStub(channel)
            eventually(lambda: _total(system, "server", "mirror_lag_records") == 0, _SECONDS)
            idle = _idle(system)
            for count in _CANDIDATES:
                say(f"Score of {count}")
                score = partial(stub.Score, ScoreRequest(user_id="u1", item_ids=system.items[:count]), timeout=30.0)
                found["requests_per_core_s"][f"score_{count}"] = _per_core(system, score, idle)
            say("Recommend")
            recommend = partial(stub.Recommend, RecommendRequest(user_id="u1", list=ListSpec(count=10)), timeout=30.0)
            found["requests_per_core_s"]["recommend_10"] = _per_core(system, recommend, idle)
        found["resident_bytes"] = {
            name: system.reading(name).total("process_resident_memory_bytes") for name in system.state.metrics_ports
        }
    return found


def _per_core(system: System, ask: Callable[[], object], idle: float) -> float:
    """Answers for each second of processor time, less what the server takes while nobody asks."""
    for _ in range(20):  # warms what is made at first use
        ask()
    before, began = _cpu(system, "server"), time.monotonic()
    for _ in range(_ANSWERS):
        ask()
    return _ANSWERS / (_cpu(system, "server") - before - idle * (time.monotonic() - began))


def _idle(system: System) -> float:
    """Processor seconds a second of a server that nobody asks: it follows the items, and is scraped."""
    before, began = _cpu(system, "server"), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    return (_cpu(system, "server") - before) / (time.monotonic() - began)


def _cpu(system: System, process: str) -> float:
    return system.reading(process).total("process_cpu_seconds_total")


def _total(system: System, process: str, name: str) -> float:
    return system.reading(process).total(f"headwater_{name}")


def _publish(system: System) -> None:
    """Half impressions, half clicks on them, of many users at once, as a busy topic has them."""
    random, now = np.random.default_rng(1), time.time()
    with event_producer(system.kafka) as producer:
        for number in range(_EVENTS // 2):
            user, item = f"u{random.integers(_USERS)}", str(random.choice(system.items))
            for event in _pair(f"e{number}", user, item, now - _EVENTS + 2.0 * number):
                producer.send(event)


def _pair(name: str, user: str, item: str, at: float) -> Iterator[Event]:
    shown = Event(event_id=f"{name}s", user_id=user, item_id=item)
    shown.occurred_at.FromMilliseconds(int(1000 * at))
    shown.impression.SetInParent()
    yield shown
    clicked = Event(event_id=f"{name}c", user_id=user, item_id=item)
    clicked.occurred_at.FromMilliseconds(int(1000 * at) + 900)
    clicked.click.SetInParent()
    yield clicked


def _history(name: str, events: int) -> Iterator[Record]:
    """Of each user three impressions to a click, in order of time."""
    random, offset = np.random.default_rng(2), 0
    for user in range(_USERS):
        user_id = f"{name}-{user}-{'x' * 16}"
        for number in range(events):
            event = Event(event_id=f"{name}-{user}-{number}", user_id=user_id, item_id=f"item-{random.integers(_ITEMS)}")
            event.occurred_at.FromMilliseconds(int(1000 * (_BEGAN + 5.0 * number)))
            (event.click if number % 4 == 3 else event.impression).SetInParent()
            yield _record(EVENTS.name, offset, user_id.encode(), event.SerializeToString())
            offset += 1


def _clicks(vocabulary: Vocabulary) -> Iterator[bytes]:
    """Of each of some items so many users that its row remembers no more."""
    tasks = len(vocabulary.tasks)
    for offset in range(_FULL * AUDIENCE):
        alias, item = divmod(offset, _FULL)
        action = ItemAction(item_id=f"full-{item}", occurred_at=_BEGAN + alias, action=True, alias=1 + alias)
        action.observations.extend([1.0] * tasks)
        action.label_sums.extend([float(alias % 2)] * tasks)
        action.source.log, action.source.offset = 1, offset
        yield action.SerializeToString()


def _record(topic: str, offset: int, key: bytes, value: bytes) -> Record:
    return Record(topic=topic, partition=0, offset=offset, key=key, value=value, appended_at=_BEGAN)


def _content(number: int) -> ItemContent:
    content = ItemContent(
        vector=np.full(_DIMENSIONS, 0.05, dtype="<f4").tobytes(), encoder_version="x" * 24, content_hash="x" * 64
    )
    content.item.item_id, content.item.type, content.item.title = f"item-{number}", "article", "A title of the usual length, say"
    content.item.categories.append("category")
    return content
