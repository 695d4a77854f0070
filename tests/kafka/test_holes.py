"""Logs with holes, as Apache Kafka makes them: compaction, transactions, retention. The reader hands out all that is there."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from deploy.drills.kafka import ApacheKafka
from headwater.v1.topics import CATALOGUE, EVENTS, Topic
from runtime.health import Heartbeat
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from streams.consumer.group import Group, RecordBatch
from streams.consumer.losses import Loss, RecordsLost
from streams.settings import WorkerSettings

pytestmark = pytest.mark.timeout(180)


class Reader:
    """A group's member and what it has handed out."""

    def __init__(self, kafka: KafkaSettings, topic: Topic, **settings: Any) -> None:
        own = WorkerSettings(session_timeout_seconds=3.0, **settings)
        self.group = Group("headwater-test", topic, kafka=kafka, settings=own, heartbeat=Heartbeat(time.monotonic))
        self.values: list[bytes | None] = []
        self.losses: list[Loss] = []
        self.error: Exception | None = None
        self.group.on_loss(self.losses.append)

        async def body(stream: Any) -> None:
            try:
                async for batch in self.group.batches(stream):
                    self._take(batch)
            except RecordsLost as error:
                self.error = error

        self.group.agent(body)

    def _take(self, batch: RecordBatch) -> None:
        self.values += [record.value for record in batch.records]
        self.group.acknowledge(batch.ends)

    @property
    def lag(self) -> float:
        return self.group.lag()

    async def until(self, condition: Any) -> None:
        """Waits for it; fails with where the reader stands."""
        deadline = time.monotonic() + 60.0
        while not condition():
            state = f"{len(self.values)} records, {self.group.positions()}, {self.losses}, {self.error}"
            assert time.monotonic() < deadline, state
            await asyncio.sleep(0.05)


@asynccontextmanager
async def reading(kafka: KafkaSettings, topic: Topic, **settings: Any) -> AsyncIterator[Reader]:
    """A reader that is stopped when the block ends."""
    reader = Reader(kafka, topic, **settings)
    await reader.group.app.start()
    try:
        yield reader
    finally:
        await reader.group.end_batches()
        await reader.group.app.stop()


async def send(kafka: KafkaSettings, topic: str, values: Sequence[tuple[bytes | None, bytes | None]], **options: Any) -> None:
    """Writes (key, value) records to partition 0."""
    producer = AIOKafkaProducer(**kafka.aiokafka_options(), **options)
    await producer.start()
    try:
        sent = [await producer.send(topic, key=key, value=value, partition=0) for key, value in values]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def transact(kafka: KafkaSettings, topic: str, values: Sequence[bytes], *, commit: bool) -> None:
    """Writes records to partition 0 in one transaction."""
    async with asyncio.timeout(60.0):
        producer = AIOKafkaProducer(transactional_id="test", **kafka.aiokafka_options())
        await producer.start()
        try:
            await producer.begin_transaction()
            for value in values:
                await producer.send_and_wait(topic, key=b"u", value=value, partition=0)
            await (producer.commit_transaction() if commit else producer.abort_transaction())
        finally:
            await producer.stop()


async def test_a_compacted_topic_is_read_to_its_end(kafka: KafkaSettings, apache_kafka: ApacheKafka) -> None:
    """Holes of thousands of offsets inside one fetch, which makes many chunks: nothing is read twice, nothing is waited for."""
    ensure_topics(kafka, partitions=1)
    settings = {
        "segment.ms": "1000",
        "min.cleanable.dirty.ratio": "0.01",
        "min.compaction.lag.ms": "0",
        "delete.retention.ms": "0",
    }
    apache_kafka.configure(CATALOGUE.name, settings)
    items = 4000
    for turn in range(3):
        await send(kafka, CATALOGUE.name, [(b"%d" % item, b"%d:%d" % (item, turn)) for item in range(items)])
        await asyncio.sleep(1.1)  # the segment may roll now
    await send(kafka, CATALOGUE.name, [(b"last", b"last")])
    await asyncio.sleep(8.0)  # the broker cleans every two seconds
    await send(kafka, CATALOGUE.name, [(b"last", b"again")])
    async with reading(kafka, CATALOGUE) as reader:
        await reader.until(lambda: reader.values and reader.values[-1] == b"again")
        await reader.until(lambda: reader.lag == 0)
    assert len(reader.values) < 3 * items, "the broker has not compacted: the test shows nothing"
    assert {b"%d:2" % item for item in range(items)} <= set(reader.values)
    assert len(reader.values) == len(set(reader.values))


async def test_aborted_records_are_not_read_and_markers_are_no_lag(kafka: KafkaSettings) -> None:
    """An aborted transaction counts for nothing; after the last marker the lag is 0 although no record follows."""
    ensure_topics(kafka, partitions=1)
    await transact(kafka, EVENTS.name, [b"a", b"b"], commit=True)
    await transact(kafka, EVENTS.name, [b"never"], commit=False)
    async with reading(kafka, EVENTS) as reader:
        await reader.until(lambda: len(reader.values) == 2 and reader.lag == 0)
        await send(kafka, EVENTS.name, [(b"u", b"%d" % number) for number in range(20_000)])
        await transact(kafka, EVENTS.name, [b"never either"], commit=False)
        await reader.until(lambda: len(reader.values) >= 20_002 and reader.lag == 0)
        # The last marker may come after the lag was 0.
        await reader.until(lambda: (at := reader.group.positions()[0]).committed == at.end)
    assert reader.values == [b"a", b"b", *[b"%d" % number for number in range(20_000)]]


def _delete_before(kafka: KafkaSettings, topic: str, offset: int) -> None:
    admin = KafkaAdminClient(**kafka.client_options())
    try:
        admin.delete_records({TopicPartition(topic, 0): offset})
    finally:
        admin.close()


@pytest.mark.parametrize("policy", ["stop", "continue"])
async def test_records_lost_to_retention_are_counted_and_stop_the_worker_unless_told_otherwise(
    kafka: KafkaSettings, policy: str
) -> None:
    """The broker deletes what a worker that was down has not read."""
    ensure_topics(kafka, partitions=1)
    await send(kafka, EVENTS.name, [(b"u", b"%d" % number) for number in range(100)])
    async with reading(kafka, EVENTS) as first:
        await first.until(lambda: len(first.values) == 100)
        await first.until(lambda: first.group.positions()[0].committed == 100)
    await send(kafka, EVENTS.name, [(b"u", b"%d" % number) for number in range(100, 1300)])
    await asyncio.to_thread(_delete_before, kafka, EVENTS.name, 900)
    async with reading(kafka, EVENTS, lost_records=policy) as second:
        await second.until(lambda: second.losses)
        if policy == "stop":
            await second.until(lambda: second.error is not None)
        else:
            await second.until(lambda: len(second.values) == 400 and second.lag == 0)
    [loss] = second.losses
    assert (loss.records, loss.partition, loss.truncated) == (800, 0, False)
    assert loss.before is not None
    assert abs(loss.before - time.time()) < 120
    if policy == "stop":
        assert second.values == []
        assert "retention deleted 800 records before they were read, appended after" in str(second.error)
        assert "headwater offsets move headwater-test --to remaining" in str(second.error)
    else:
        assert second.values == [b"%d" % number for number in range(900, 1300)]
