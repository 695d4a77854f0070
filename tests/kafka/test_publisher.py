"""What the workers write, on topics that take less than usual and on a broker that is unreachable for a while."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from deploy.drills.kafka import ApacheKafka
from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import DEAD_LETTERS, EVENTS, EXAMPLES, ITEM_ACTIONS
from runtime.broker.event_producer import event_producer
from runtime.publisher import Publisher
from runtime.record import Publication
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics, read_topic
from streams.dead_letters import read_letters
from tests.kafka.conftest import StartKafka
from tests.streams.processes import environment_of, running_worker

pytestmark = pytest.mark.timeout(300)


def _pauses() -> Iterator[float]:
    return repeat(0.1)


def _publications(topic: str, count: int, size: int) -> list[Publication]:
    draw = random.Random(1)
    return [Publication(topic, b"key %d" % (number % 5), b"%d " % number + draw.randbytes(size)) for number in range(count)]


async def test_batches_are_cut_as_their_topic_takes_them(kafka: KafkaSettings, apache_kafka: ApacheKafka) -> None:
    """As it took them when the publisher started, and less later: every record is there once, in the order of its key."""
    ensure_topics(kafka, partitions=2)
    apache_kafka.configure(ITEM_ACTIONS.name, {"max.message.bytes": 65_536})
    first, later = _publications(ITEM_ACTIONS.name, 500, 1000), _publications(ITEM_ACTIONS.name, 200, 1000)
    async with Publisher(kafka) as publisher:
        assert await publisher.publish(first) == []
        apache_kafka.configure(ITEM_ACTIONS.name, {"max.message.bytes": 5_000})
        assert await publisher.publish(later) == []
    by_key: dict[bytes, list[bytes]] = {}
    for record in await asyncio.to_thread(lambda: list(read_topic(kafka, ITEM_ACTIONS.name))):
        by_key.setdefault(record.key, []).append(record.value)
    sent = [*first, *later]
    assert by_key == {key: [one.value for one in sent if one.key == key] for key in by_key}
    assert sum(map(len, by_key.values())) == len(sent)


async def test_a_record_that_its_topic_does_not_take_comes_back_with_its_size_and_the_limit(
    kafka: KafkaSettings, apache_kafka: ApacheKafka
) -> None:
    """Those around it are written."""
    ensure_topics(kafka, partitions=1)
    apache_kafka.configure(EXAMPLES.name, {"max.message.bytes": 20_000})
    small = _publications(EXAMPLES.name, 100, 1000)
    large = Publication(EXAMPLES.name, b"large", random.Random(2).randbytes(30_000))
    async with Publisher(kafka) as publisher:
        [oversized] = await publisher.publish([*small[:50], large, *small[50:]])
    assert oversized.publication is large
    assert oversized.limit == 20_000
    assert 30_000 < oversized.size < 30_200
    written = await asyncio.to_thread(lambda: [record.value for record in read_topic(kafka, EXAMPLES.name)])
    assert written == [one.value for one in small]


def test_a_worker_goes_on_past_records_that_are_too_large(
    kafka: KafkaSettings, apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    """Examples larger than their topic takes become dead letters, cut to what that topic takes; every event counts."""
    ensure_topics(kafka, partitions=1)
    apache_kafka.configure(EXAMPLES.name, {"max.message.bytes": 3_000})
    apache_kafka.configure(DEAD_LETTERS.name, {"max.message.bytes": 2_000})
    draw, sent = random.Random(3), 0
    items = [draw.randbytes(120).hex() for _ in range(40)]
    with event_producer(kafka) as producer:
        for item in items:
            for kind in ("impression", "click"):
                event = Event(user_id="u", item_id=item)
                getattr(event, kind).SetInParent()
                producer.send(event)
                sent += 1
    store = StoreSettings(directory=tmp_path / "store")
    apply(store)
    with running_worker("streams.workers.features", environment_of(kafka, store, tmp_path), tmp_path / "features.log") as worker:
        worker.wait_for("headwater_events_folded_total", sent)
        worker.wait_for("headwater_events_dead_lettered_total", 1)
        assert worker.process.poll() is None
        assert worker.total("headwater_item_actions_folded_total") > 0
    letters = [letter.content for letter in read_letters(kafka)]
    assert Counter(letter.reason for letter in letters) == {"too_large": len(letters)}
    assert {letter.topic for letter in letters} == {EXAMPLES.name}
    for letter in letters:
        assert "takes 3000 (max.message.bytes)" in letter.detail
        assert 0 < len(letter.value) < letter.value_bytes


async def test_records_wait_for_a_broker_that_is_away(start_kafka: StartKafka) -> None:
    """Longer than a request may take; who waits is told why, and every record is acknowledged once the broker is back."""
    cluster = start_kafka()
    kafka = cluster.inside
    ensure_topics(kafka, partitions=2)
    told: list[str] = []
    publications = _publications(EVENTS.name, 100, 100)
    async with Publisher(kafka, retry_pauses=_pauses) as publisher:
        await publisher.publish(publications[:50])
        cluster.kill(1)
        publishing = asyncio.ensure_future(publisher.publish(publications[50:], told.append))
        while not any(f"has not acknowledged 50 records for {seconds} s" in one for one in told for seconds in (44, 45, 46)):
            assert not publishing.done()
            await asyncio.sleep(0.2)
        cluster.launch(1)
        assert await publishing == []
    written = await asyncio.to_thread(lambda: [record.value for record in read_topic(kafka, EVENTS.name)])
    assert set(written) == {one.value for one in publications}


async def test_what_is_given_up_is_not_written_later(start_kafka: StartKafka) -> None:
    """The partitions go to another worker meanwhile: a late write would put an old state on top of that worker's."""
    cluster = start_kafka()
    kafka = cluster.inside
    ensure_topics(kafka, partitions=1)
    before, given_up, after = _publications(EVENTS.name, 3, 100)
    async with Publisher(kafka, retry_pauses=_pauses) as publisher:
        await publisher.publish([before])
        cluster.kill(1)
        publishing = asyncio.ensure_future(publisher.publish([given_up]))
        await asyncio.sleep(1.0)
        publishing.cancel()
        await asyncio.wait([publishing], timeout=5.0)
        assert publishing.cancelled()
        cluster.launch(1)
        assert await publisher.publish([after]) == []
    written = await asyncio.to_thread(lambda: [record.value for record in read_topic(kafka, EVENTS.name)])
    assert written == [before.value, after.value]


async def test_a_publisher_starts_before_its_broker(start_kafka: StartKafka) -> None:
    """It says what it waits for, and connects once the broker is there."""
    cluster = start_kafka()
    ensure_topics(cluster.inside, partitions=1)
    cluster.stop(1)
    told: list[str] = []
    publisher = Publisher(cluster.inside, retry_pauses=_pauses)
    starting = asyncio.ensure_future(publisher.start(told.append))
    while len(told) < 3:  # noqa: ASYNC110 - nothing tells of an attempt but what it says
        await asyncio.sleep(0.05)
    assert "no broker answers at" in told[0]
    cluster.launch(1)
    await asyncio.wait_for(starting, 60.0)
    assert await publisher.publish(_publications(EVENTS.name, 1, 10)) == []
    await publisher.stop()
