"""Readers outside the workers, on logs with transactions: committed records only, and to an end that can be reached."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer
from kafka import TopicPartition

from deploy.console.recent_users import recent_users
from feature_repo.items.mirror import ItemMirror
from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1.events_pb2 import Click, Event
from headwater.v1.topics import EVENTS, ITEM_CONTENT
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics, read_topic, spans
from tests.feature_repo.worlds import table_of

pytestmark = pytest.mark.timeout(180)


@asynccontextmanager
async def _transaction(
    kafka: KafkaSettings, topic: str, records: Sequence[tuple[bytes, bytes]]
) -> AsyncIterator[AIOKafkaProducer]:
    """Records of partition 0 in a transaction that is open until the block ends or settles it."""
    producer = AIOKafkaProducer(transactional_id=f"{topic}-test", **kafka.aiokafka_options())
    await producer.start()
    try:
        await producer.begin_transaction()
        for key, value in records:
            await producer.send_and_wait(topic, key=key, value=value, partition=0)
        yield producer
    finally:
        await producer.stop()


async def _write(kafka: KafkaSettings, topic: str, made: Sequence[tuple[bytes, bytes]]) -> None:
    """The first record committed, the second aborted."""
    async with _transaction(kafka, topic, made[:1]) as producer:
        await producer.commit_transaction()
    async with _transaction(kafka, topic, made[1:2]) as producer:
        await producer.abort_transaction()


def _wait_held(mirror: ItemMirror, item_id: str) -> None:
    deadline = time.monotonic() + 30.0
    while not mirror.table.holds(item_id):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _content(item_id: str) -> tuple[bytes, bytes]:
    content = ItemContent(vector=np.eye(1, 6, dtype="<f4").tobytes(), encoder_version="test")
    content.item.item_id, content.item.type = item_id, "article"
    return item_id.encode(), content.SerializeToString()


def _event(user_id: str) -> tuple[bytes, bytes]:
    event = Event(event_id=f"e-{user_id}", user_id=user_id, item_id="i", click=Click())
    event.occurred_at.FromNanoseconds(time.time_ns())
    return user_id.encode(), event.SerializeToString()


async def test_the_item_mirror_takes_committed_records_and_is_ready_behind_them(kafka: KafkaSettings) -> None:
    """A marker at the log's end is no lag, and a transaction that stays open holds nobody up."""
    ensure_topics(kafka, partitions=1)
    made = [_content(name) for name in ("committed", "aborted", "open")]
    await _write(kafka, ITEM_CONTENT.name, made)
    async with _transaction(kafka, ITEM_CONTENT.name, made[2:]) as producer:
        mirror = ItemMirror(table_of(0), kafka)
        mirror.start()
        try:
            assert await asyncio.to_thread(mirror.wait_ready, 30.0)
            assert (mirror.contents_applied, mirror.lag_records) == (1, 0)
            assert mirror.table.holds("committed")
            await producer.commit_transaction()
            await asyncio.to_thread(_wait_held, mirror, "open")
            assert not mirror.table.holds("aborted")
        finally:
            mirror.stop()


async def test_commands_and_the_console_read_committed_records_to_their_end(kafka: KafkaSettings) -> None:
    """Neither shows what was aborted; the end that they tell is the one that a worker reaches."""
    ensure_topics(kafka, partitions=1)
    made = [_event(name) for name in ("committed", "aborted", "open")]
    await _write(kafka, EVENTS.name, made)
    async with _transaction(kafka, EVENTS.name, made[2:]):
        records = await asyncio.to_thread(lambda: list(read_topic(kafka, EVENTS.name)))
        assert [record.key for record in records] == [b"committed"]
        assert await asyncio.to_thread(recent_users, kafka, 3) == ["committed"]
        where = TopicPartition(EVENTS.name, 0)
        assert await asyncio.to_thread(spans, kafka, [where]) == {where: (0, 4)}  # two records, a marker behind each
