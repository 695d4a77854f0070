"""A catalogue of 40,000 items, each updated three times, in a log that the broker has compacted."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.drills.kafka import ApacheKafka
from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.topics import CATALOGUE, ITEM_CONTENT
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics, read_topic
from tests.batches import batch_of, send_batches
from tests.streams.processes import environment_of, running_worker

pytestmark = pytest.mark.timeout(500)
ITEMS, UPDATES, TITLES, IN_A_BATCH = 40_000, 3, 20, 5_000
COMPACTS_AT_ONCE = {
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0",
    "delete.retention.ms": "0",
}


def _changes(update: int) -> Iterator[bytes]:
    for first in range(0, ITEMS, IN_A_BATCH):
        records: list[tuple[bytes | None, bytes | None]] = []
        for number in range(first, first + IN_A_BATCH):
            change = CatalogueChange()
            item = change.upsert
            item.item_id, item.type, item.title = f"i{number}", "article", f"{update} {number % TITLES}"
            records.append((item.item_id.encode(), change.SerializeToString()))
        yield batch_of("zstd", records, at=time.time_ns() // 1_000_000)


def test_a_large_compacted_catalogue_is_encoded_completely(
    kafka: KafkaSettings, apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    """The last update of every item comes out, none waits, and nothing is read twice. (Few titles: each is encoded once.)"""
    ensure_topics(kafka, partitions=1)
    apache_kafka.configure(CATALOGUE.name, COMPACTS_AT_ONCE)
    for update in range(UPDATES):
        asyncio.run(send_batches(kafka, CATALOGUE.name, list(_changes(update))))
        time.sleep(1.1)  # the segment may roll now
    [last, *_] = _changes(UPDATES)
    asyncio.run(send_batches(kafka, CATALOGUE.name, [last]))  # rolls it
    apache_kafka.wait_for(lambda: sum(1 for _ in read_topic(kafka, CATALOGUE.name)) < 2 * ITEMS)
    asyncio.run(send_batches(kafka, CATALOGUE.name, [last]))
    store = StoreSettings(directory=tmp_path / "store")
    apply(store)
    with running_worker("streams.workers.catalogue", environment_of(kafka, store, tmp_path), tmp_path / "log") as worker:
        deadline = time.monotonic() + 240.0
        while not (worker.total("headwater_consumer_end_offset") and worker.total("headwater_consumer_lag_records") == 0):
            assert worker.running, worker.log_text[-3000:]
            assert time.monotonic() < deadline, worker.log_text[-3000:]
            time.sleep(0.2)
        assert "records_read_again" not in worker.log_text
    titles = {}
    for record in read_topic(kafka, ITEM_CONTENT.name):
        content = ItemContent.FromString(record.value)
        assert content.vector
        titles[content.item.item_id] = content.item.title
    updates = {number: UPDATES if number < IN_A_BATCH else UPDATES - 1 for number in range(ITEMS)}
    assert titles == {f"i{number}": f"{update} {number % TITLES}" for number, update in updates.items()}
