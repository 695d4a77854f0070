"""Records of Java's producer and of librdkafka: transactions, codecs, headers, null values, and their choice of partition."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from feature_repo.counters import ALL
from feature_repo.decode import decode_event
from feature_repo.decoded_event import DecodedEvent
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, apply
from headwater.internal.v1.streams_pb2 import DeadLetter
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import CATALOGUE, DEAD_LETTERS, EVENTS, ITEM_CONTENT
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.chaos.crew import eventually
from tests.docs.test_code import blocks
from tests.feature_repo.worlds import VOCABULARY
from tests.kafka.producers import PRODUCERS, Produce, Send, Step
from tests.streams.processes import environment_of, read_topic, running_worker

pytestmark = pytest.mark.timeout(300)

_CODECS = ("none", "gzip")
_USERS = [f"user-{number}" for number in range(40)]


@pytest.fixture(params=list(PRODUCERS))
def produce(request: pytest.FixtureRequest) -> Produce:
    """Each producer of others in turn."""
    return PRODUCERS[request.param]


def _click(user: str, number: int) -> Event:
    event = Event(event_id=f"{user}:{number}", user_id=user, item_id=f"i{number % 5}")
    event.click.SetInParent()
    event.occurred_at.FromSeconds(1_700_000_000 + number)
    return event


def _clicks(user: str, count: int, *, headers: Mapping[str, bytes] | None = None) -> Iterator[Send]:
    for number in range(count):
        value = _click(user, number).SerializeToString()
        yield Send(topic=EVENTS.name, key=user.encode(), value=value, headers=headers or {})


def _plain(kafka: KafkaSettings) -> dict[str, str]:
    return {"bootstrap.servers": kafka.bootstrap_servers, "acks": "all", "enable.idempotence": "true"}


@pytest.fixture
def store(tmp_path: Path) -> StoreSettings:
    """An empty online store of the test's own."""
    settings = StoreSettings(directory=tmp_path / "store")
    apply(settings)
    return settings


def _actions(store: StoreSettings, users: Iterable[str]) -> Counter[str]:
    """Actions by user that their rows count."""
    actions = VOCABULARY.counters.index("actions")
    rows = RowStore(store, VOCABULARY).read_users(list(users))
    return Counter({user: round(float(row.counters_CH[actions, ALL])) for user, row in rows.items()})


def test_what_others_committed_counts_once_and_what_they_aborted_never(
    kafka: KafkaSettings, store: StoreSettings, tmp_path: Path, produce: Produce
) -> None:
    """Compressed batches, transactions, headers, JSON, null values, an upsert and a tombstone of the catalogue."""
    ensure_topics(kafka, partitions=2)
    for codec in _CODECS:
        sent = produce(_plain(kafka) | {"compression.type": codec, "linger.ms": "50"}, list(_clicks(f"codec-{codec}", 30)))
        assert len(sent) == 30
    transactional = _plain(kafka) | {"transactional.id": f"shop-{time.time_ns()}", "compression.type": "gzip"}
    steps: list[Step] = []
    for turn in range(3):
        steps += ["begin", *_clicks(f"committed-{turn}", 10), "commit", "begin", *_clicks("aborted", 10), "abort"]
    produce(transactional, steps)
    as_json = {"event_id": "j", "user_id": "json", "item_id": "i1", "occurred_at": "2023-11-14T22:13:20Z", "click": {}}
    change = CatalogueChange()
    change.upsert.item_id, change.upsert.type, change.upsert.title = "bread-7", "article", "Rye bread"
    upsert = Send(topic=CATALOGUE.name, key=b"bread-7", value=change.SerializeToString(), headers={"source": b"shop"})
    change.upsert.item_id = "bread-8"
    other = Send(topic=CATALOGUE.name, key=b"bread-8", value=change.SerializeToString())
    produce(
        _plain(kafka),
        [
            *_clicks("headers", 10, headers={"traceparent": b"00-1-2-01", "bytes": bytes(range(256))}),
            Send(topic=EVENTS.name, key=b"json", value=json.dumps(as_json).encode()),
            Send(topic=EVENTS.name, key=b"null", value=None),
            Send(topic=EVENTS.name, key=None, value=_click("keyless", 0).SerializeToString()),
            upsert,
            other,
            "flush",
            Send(topic=CATALOGUE.name, key=b"bread-7", value=None),
        ],
    )
    expected = {f"codec-{codec}": 30 for codec in _CODECS} | {f"committed-{turn}": 10 for turn in range(3)}
    expected |= {"headers": 10, "json": 1}

    environment = environment_of(kafka, store, tmp_path)
    with ExitStack() as workers:
        features, catalogue = (
            workers.enter_context(running_worker(f"streams.workers.{name}", environment, tmp_path / f"{name}.log"))
            for name in ("features", "catalogue")
        )
        features.wait_for("headwater_events_folded_total", sum(expected.values()))
        features.wait_for("headwater_events_dead_lettered_total", 2)
        eventually(lambda: _contents(kafka) == {b"bread-7": False, b"bread-8": True}, "the deleted item gone, the other encoded")
        # Markers of transactions take offsets and are no records: nothing is left to read.
        lag = "headwater_consumer_lag_records"
        eventually(lambda: features.total(lag) == catalogue.total(lag) == 0, "no lag")
        assert features.total("headwater_events_folded_total") == sum(expected.values())

    assert _actions(store, [*expected, "aborted", "null", "keyless"]) == expected
    letters = [DeadLetter.FromString(record.value or b"") for record in read_topic(kafka, DEAD_LETTERS.name)]
    assert sorted((letter.value, letter.reason) for letter in letters) == [
        (b"", "unparseable"),
        (_click("keyless", 0).SerializeToString(), "constraint"),
    ]


def _contents(kafka: KafkaSettings) -> dict[bytes | None, bool]:
    """Whether there is an encoded entry, by the key of each item that ever had one or was deleted."""
    return {record.key: record.value is not None for record in read_topic(kafka, ITEM_CONTENT.name)}


def test_keys_lie_where_headwaters_own_do_unless_librdkafka_places_them(kafka: KafkaSettings) -> None:
    """Java's default is murmur2, as ours; librdkafka's is CRC-32, and `partitioner=murmur2_random` makes it ours."""
    ensure_topics(kafka, partitions=3)
    steps = [Send(topic=EVENTS.name, key=user.encode(), value=None) for user in _USERS]
    with event_producer(kafka) as producer:
        for user in _USERS:
            producer.send(_click(user, 0))
    ours = {record.key: record.partition for record in read_topic(kafka, EVENTS.name, partitions=3)}

    def placed(name: str, **settings: str) -> dict[bytes | None, int]:
        found = PRODUCERS[name](_plain(kafka) | settings, steps)
        return {user.encode(): partition for user, (partition, _) in zip(_USERS, found, strict=True)}

    assert placed("java") == ours
    assert placed("librdkafka", partitioner="murmur2_random") == ours
    assert placed("librdkafka") != ours


def test_the_program_of_the_guide_sends_to_the_right_partition(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's code for confluent-kafka, run as it stands, sends an event that is accepted, where our own producer would."""
    ensure_topics(kafka, partitions=16)
    monkeypatch.setenv("HEADWATER_KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    [program] = blocks("guides/producers.md", "py")
    exec(compile(program, "producers.md", "exec"), {})
    with event_producer(kafka) as producer:
        producer.send(_click("ann", 0))
    theirs, ours = read_topic(kafka, EVENTS.name, partitions=16)
    assert isinstance(decode_event(theirs.value, key=theirs.key, now=time.time()), DecodedEvent)
    assert (theirs.key, theirs.partition) == (ours.key, ours.partition)


def test_events_of_one_user_in_two_partitions_count_once_at_one_worker(
    kafka: KafkaSettings, store: StoreSettings, tmp_path: Path
) -> None:
    """librdkafka's default and ours in turn: nothing is lost or counted twice, with a kill in between, and it is noticed."""
    ensure_topics(kafka, partitions=2)
    clicks = [(user, number) for number in range(10) for user in _USERS]
    with event_producer(kafka) as producer:
        for user, number in clicks:
            if number % 2 == 0:
                producer.send(_click(user, number))
    by_crc32 = [
        Send(topic=EVENTS.name, key=user.encode(), value=_click(user, number).SerializeToString())
        for user, number in clicks
        if number % 2 or number == 0  # the first one is also a repeat, in another partition
    ]
    PRODUCERS["librdkafka"](_plain(kafka), by_crc32)

    environment = environment_of(kafka, store, tmp_path) | {"HEADWATER_WORKER_BATCH_SIZE": "50"}
    commits_late = {"HEADWATER_WORKER_COMMIT_INTERVAL_SECONDS": "3600"}  # so that the next one reads all of it again
    with running_worker("streams.workers.features", environment | commits_late, tmp_path / "features.log") as worker:
        worker.wait_for("headwater_events_folded_total", len(clicks) / 4)
    with running_worker("streams.workers.features", environment, tmp_path / "features.log") as worker:
        worker.wait_for("headwater_events_duplicate_total", len(_USERS))
        worker.wait_for("headwater_events_wrong_partition_total", 1)
        eventually(lambda: _actions(store, _USERS) == dict.fromkeys(_USERS, 10), "every event counts once")
