"""The whole system at once: events go into a real broker, rows into Feast, examples into the heads, scores come out over gRPC."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from kafka import KafkaConsumer, TopicPartition

from deploy.local.stack import Stack, StackConfig
from deploy.local.state import StackState
from deploy.observe.scrape import scrape
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore
from feature_repo.tasks import load_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.client import by_task
from headwater.internal.v1.streams_pb2 import DeadLetter
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2 import Degradation, ListSpec, RecommendRequest, RecordEventsRequest, ScoreRequest
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from headwater.v1.topics import DEAD_LETTERS, EVENTS
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings

pytestmark = pytest.mark.timeout(400)

TASKS = """
[tasks.like]
kind = "binary"
event = "rate"
at_least = 4

[tasks.stars]
kind = "regression"
event = "rate"
"""
ITEMS, USERS, RATINGS = 20, 40, 4000
GONE = f"i{ITEMS - 1}"
TITLES = ("Bread from rye and wheat, number {}", "Stars and planets of the night, number {}")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackState]:
    """A running stack that has learned: users with even numbers like bread, the others stars."""
    directory: Path = tmp_path_factory.mktemp("e2e")
    (directory / "tasks.toml").write_text(TASKS)
    lines: list[str] = []
    config = StackConfig(data_dir=directory / "data", tasks_file=directory / "tasks.toml", partitions=2)
    with Stack(config, report=lines.append, echo=lambda name, line: lines.append(line)) as stack:
        state = stack.start()
        with event_producer(KafkaSettings(bootstrap_servers=state.bootstrap_servers)) as producer:
            for number in range(ITEMS):
                change = CatalogueChange()
                change.upsert.item_id, change.upsert.type = f"i{number}", "article"
                change.upsert.title = TITLES[number % 2].format(number)
                producer.send_change(change)
            producer.flush(raise_on_failure=True)
            eventually(lambda: total(state, "server", "headwater_catalogue_items") == ITEMS, 120.0)
            for event in ratings(time.time() - 2 * RATINGS):
                producer.send(event)
            producer.flush(raise_on_failure=True)
        eventually(lambda: total(state, "learner", "headwater_snapshots_published_total") >= 1, 120.0)
        yield state


@pytest.fixture
def stub(state: StackState) -> Iterator[RecommenderServiceStub]:
    """A client of the running server."""
    with grpc.insecure_channel(state.server) as channel:
        yield RecommenderServiceStub(channel)


def ratings(start: float) -> Iterator[Event]:
    """An impression and the rating of it, each pair two seconds after the last."""
    random = np.random.default_rng(3)
    for number in range(RATINGS):
        user, item = int(random.integers(USERS)), int(random.integers(ITEMS))
        shown = Event(event_id=f"s{number}", user_id=f"u{user}", item_id=f"i{item}")
        shown.occurred_at.FromMilliseconds(int(1000 * start) + 2000 * number)
        shown.impression.SetInParent()
        yield shown
        rated = Event(event_id=f"r{number}", user_id=f"u{user}", item_id=f"i{item}")
        rated.occurred_at.CopyFrom(shown.occurred_at)
        rated.action.name = "rate"
        rated.action.value = 5.0 if user % 2 == item % 2 else 1.0
        yield rated


def total(state: StackState, process: str, metric: str) -> float:
    """What a process says of a metric, over all labels."""
    return scrape(state.metrics_ports[process]).total(metric)


def eventually(look: Callable[[], bool], seconds: float) -> None:
    """Returns once it is true."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.1)


def likes(stub: RecommenderServiceStub, user_id: str) -> list[float]:
    """The chance of a like, by item."""
    response = stub.Score(ScoreRequest(user_id=user_id, item_ids=[f"i{n}" for n in range(ITEMS)]), timeout=10.0)
    return [by_task(response.tasks, item.values)["like"] for item in response.items]


def test_what_was_learned_is_served(stub: RecommenderServiceStub) -> None:
    """A model scores, each half of the users is offered more of what it likes, and the best comes first."""

    def learned() -> bool:
        even, odd = likes(stub, "u0"), likes(stub, "u1")
        return sum(even[::2]) > 1.2 * sum(even[1::2]) and sum(odd[1::2]) > 1.2 * sum(odd[::2])

    eventually(learned, 120.0)
    request = RecommendRequest(user_id="u0", list=ListSpec(count=5, include_seen=True, task_weights={"like": 1.0}))
    response = stub.Recommend(request, timeout=10.0)
    assert response.info.model_version
    assert not response.info.degradations
    listed = [by_task(response.tasks, item.values)["like"] for item in response.items]
    assert len(listed) == 5
    assert listed == sorted(listed, reverse=True)
    assert int(response.items[0].item_id[1:]) % 2 == 0


def test_every_event_is_accounted_for(state: StackState) -> None:
    """What was published came into the features once, and each rating labels an example."""
    eventually(lambda: total(state, "features", "headwater_events_folded_total") >= 2 * RATINGS, 60.0)
    eventually(lambda: total(state, "features", "headwater_examples_published_total") >= RATINGS, 60.0)
    assert total(state, "features", "headwater_events_duplicate_total") == 0


def test_ratings_change_the_scores_of_their_user(stub: RecommenderServiceStub) -> None:
    """A user nobody knows is told so; a few ratings through RecordEvents, and stars are scored above bread."""
    first = stub.Score(ScoreRequest(user_id="ann", item_ids=["i0", "nowhere"]), timeout=10.0)
    assert {flag.reason for flag in first.info.degradations} >= {Degradation.REASON_UNKNOWN_USER, Degradation.REASON_UNKNOWN_ITEM}
    assert [item.unknown_item for item in first.items] == [False, True]
    before = likes(stub, "ann")
    request = RecordEventsRequest()
    for number in range(8):
        event = request.events.add(event_id=f"ann{number}", user_id="ann", item_id=f"i{number}")
        event.occurred_at.GetCurrentTime()
        event.action.name, event.action.value = "rate", 5.0 if number % 2 else 1.0
    assert stub.RecordEvents(request, timeout=10.0).accepted == 8

    def prefers_stars() -> bool:
        now = likes(stub, "ann")
        return now != before and sum(now[9::2]) > sum(now[8::2])

    eventually(prefers_stars, 60.0)


def test_a_deleted_item_leaves_the_lists_at_once(state: StackState, stub: RecommenderServiceStub) -> None:
    """Within moments no list has it, scoring calls it unknown, and what users did with it is forgotten."""
    everything = RecommendRequest(user_id="u0", list=ListSpec(count=ITEMS, include_seen=True))
    assert len(stub.Recommend(everything, timeout=10.0).items) == ITEMS
    with event_producer(KafkaSettings(bootstrap_servers=state.bootstrap_servers)) as producer:
        producer.send_change(CatalogueChange(delete={"item_id": GONE}))
    eventually(lambda: GONE not in [item.item_id for item in stub.Recommend(everything, timeout=10.0).items], 30.0)
    assert len(stub.Recommend(everything, timeout=10.0).items) == ITEMS - 1
    assert stub.Score(ScoreRequest(user_id="u0", item_ids=[GONE]), timeout=10.0).items[0].unknown_item
    vocabulary = Vocabulary(load_tasks(Path(state.tasks_file)))
    store = RowStore(StoreSettings(directory=Path(state.store_dir)), vocabulary)
    # The lists above may have shown it for a moment more; the ratings of before are gone.
    eventually(lambda: not store.read_items([GONE])[GONE].counters_CH[vocabulary.counters.index("actions")].any(), 30.0)


def test_what_cannot_be_read_is_kept_with_its_reason(state: StackState) -> None:
    """Junk among the events lands in the dead letters with its bytes, and the next event is folded as ever."""
    kafka = KafkaSettings(bootstrap_servers=state.bootstrap_servers)
    before = total(state, "features", "headwater_events_folded_total")
    with event_producer(kafka) as producer:
        producer.send_bytes(EVENTS.name, "u0", b"\xff not an event")
        event = Event(user_id="u0", item_id="i0")
        event.click.SetInParent()
        producer.send(event)
    eventually(lambda: total(state, "features", "headwater_events_folded_total") > before, 30.0)
    consumer = KafkaConsumer(group_id=None, enable_auto_commit=False, fetch_max_wait_ms=50, **kafka.client_options())
    partitions = [TopicPartition(DEAD_LETTERS.name, number) for number in consumer.partitions_for_topic(DEAD_LETTERS.name)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    letters: list[DeadLetter] = []

    def found() -> bool:
        for batch in consumer.poll(timeout_ms=200).values():
            letters.extend(DeadLetter.FromString(record.value) for record in batch)
        return bool(letters)

    eventually(found, 30.0)
    consumer.close()
    kept = [(letter.value, letter.reason, letter.topic) for letter in letters]
    assert kept == [(b"\xff not an event", "unparseable", EVENTS.name)]
