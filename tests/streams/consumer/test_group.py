"""A group's member in front of a real broker: what it hands out, and what it commits."""

import asyncio
import time
from collections import defaultdict
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from headwater.v1.topics import ITEM_ACTIONS
from runtime.health import Heartbeat
from runtime.publisher import Publisher
from runtime.record import Publication
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from streams.consumer.group import Group, RecordBatch
from streams.settings import WorkerSettings

PARTITIONS, RECORDS = 3, 1000


def _group(kafka: KafkaSettings) -> Group:
    settings = WorkerSettings(batch_size=100, session_timeout_seconds=3.0)
    return Group("headwater-test", ITEM_ACTIONS, kafka=kafka, settings=settings, heartbeat=Heartbeat(time.monotonic))


async def _publish(kafka: KafkaSettings) -> None:
    async with Publisher(kafka) as publisher:
        await publisher.publish([Publication(ITEM_ACTIONS.name, b"%d" % (at % 50), b"%d" % at) for at in range(RECORDS)])


def _committed(kafka: KafkaSettings) -> int:
    consumer = KafkaConsumer(group_id="headwater-test", enable_auto_commit=False, **kafka.client_options())
    try:
        return sum(consumer.committed(TopicPartition(ITEM_ACTIONS.name, number)) or 0 for number in range(PARTITIONS))
    finally:
        consumer.close()


async def _take(group: Group, wanted: int, *, acknowledged: int) -> list[RecordBatch]:
    """Batches with at least `wanted` records; of the first ones `acknowledged` records are acknowledged."""
    taken: list[RecordBatch] = []
    done = asyncio.Event()

    async def body(stream: Any) -> None:
        async for batch in group.batches(stream):
            if sum(len(one.records) for one in taken) < acknowledged:
                group.acknowledge(batch.ends)
            taken.append(batch)
            if sum(len(one.records) for one in taken) >= wanted:
                done.set()

    group.agent(body)
    await group.app.start()
    await asyncio.wait_for(done.wait(), 60.0)
    await group.end_batches()
    await group.app.stop()
    return taken


async def test_batches_hold_every_record_once_and_in_the_order_of_its_partition(broker: KafkaSettings) -> None:
    """They are neither larger than asked for nor one record each."""
    ensure_topics(broker, partitions=PARTITIONS)
    await _publish(broker)
    taken = await _take(_group(broker), RECORDS, acknowledged=RECORDS)
    offsets: dict[int, list[int]] = defaultdict(list)
    for batch in taken:
        assert 0 < len(batch.records) <= 100
        for record in batch.records:
            offsets[record.partition].append(record.offset)
    assert sum(map(len, offsets.values())) == RECORDS
    assert all(found == list(range(len(found))) for found in offsets.values())
    assert len(taken) < RECORDS / 10
    assert await asyncio.to_thread(_committed, broker) == RECORDS


async def test_what_is_not_acknowledged_comes_again(broker: KafkaSettings) -> None:
    """A member that went away in the middle leaves the rest to the next one, without a record between missing."""
    ensure_topics(broker, partitions=PARTITIONS)
    await _publish(broker)
    first = await _take(_group(broker), RECORDS, acknowledged=300)
    committed = await asyncio.to_thread(_committed, broker)
    assert 300 <= committed < 500
    assert sum(len(batch.records) for batch in first) == RECORDS
    second = await _take(_group(broker), RECORDS - committed, acknowledged=RECORDS)
    assert sum(len(batch.records) for batch in second) == RECORDS - committed
    assert await asyncio.to_thread(_committed, broker) == RECORDS
