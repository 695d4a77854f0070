"""Thousands of good, bad and broken records through the real broker and the features worker: none lost, none stops it."""

import random
import time
from collections import Counter
from pathlib import Path

from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, apply
from headwater.internal.v1.streams_pb2 import DeadLetter
from headwater.v1.topics import DEAD_LETTERS, EVENTS
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.feature_repo.worlds import VOCABULARY
from tests.streams.corpus import corpus
from tests.streams.processes import PARTITIONS, environment_of, read_topic, running_worker

RECORDS, MUTATED = 2000, 500


def test_all_that_is_valid_is_folded_and_all_else_is_in_the_dead_letters(broker: KafkaSettings, tmp_path: Path) -> None:
    """Each dead letter has the reason, the origin and the very bytes; random damage is accounted for one by one too."""
    ensure_topics(broker, partitions=PARTITIONS)
    store_settings = StoreSettings(directory=tmp_path / "store")
    apply(store_settings)
    records = corpus(RECORDS, seed=3, now=time.time())
    # What becomes of randomly damaged bytes nobody knows beforehand: they must be one or the other.
    draw = random.Random(4)
    damaged = []
    for record in corpus(MUTATED, seed=5, now=time.time()):
        value = bytearray(record.value[:4096])
        for _ in range(draw.randrange(1, 4)):
            if value:
                value[draw.randrange(len(value))] = draw.randrange(256)
        damaged.append((b"damaged", bytes(value)))
    with event_producer(broker) as producer:
        for record in records:
            producer.send_bytes(EVENTS.name, record.key, record.value)
        for key, bytes_ in damaged:
            producer.send_bytes(EVENTS.name, key, bytes_)
    sound = [record for record in records if record.reason is None]
    broken = [record for record in records if record.reason is not None]

    with running_worker("streams.workers.features", environment_of(broker, store_settings, tmp_path), tmp_path / "log") as worker:
        worker.wait_for("headwater_events_folded_total", len(sound))
        deadline = time.monotonic() + 60.0
        while True:
            counted = [worker.total(f"headwater_events_{fate}_total") for fate in ("folded", "duplicate", "dead_lettered")]
            if sum(counted) >= RECORDS + MUTATED or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        assert sum(counted) == RECORDS + MUTATED
        worker.process.terminate()
        assert worker.process.wait(20) == 0

    letters = [DeadLetter.FromString(record.value or b"") for record in read_topic(broker, DEAD_LETTERS.name)]
    of_corpus = Counter((letter.key, letter.value, letter.reason) for letter in letters if letter.key != b"damaged")
    assert of_corpus == Counter((record.key, record.value, record.reason) for record in broken)
    origin = {(record.partition, record.offset): record.value for record in read_topic(broker, EVENTS.name)}
    assert all(origin[letter.partition, letter.offset] == letter.value and letter.detail for letter in letters)
    assert {letter.topic for letter in letters} == {EVENTS.name}
    assert counted == [len(sound), 0, len(letters)], "no user is called `damaged`, so nothing of it can have been folded"

    rows = RowStore(store_settings, VOCABULARY).read_users(sorted({record.key.decode() for record in sound}))
    assert sum(row.counters_CH[:2, -1].sum() for row in rows.values()) == len(sound)
