"""Batches as both clients' consumers read them: one that cannot be read is one marked record, and reading goes on behind it."""

from collections.abc import Iterator
from typing import Any

import aiokafka.consumer.fetcher
import kafka.consumer.fetcher
import pytest

from runtime.broker.batches import bound_aiokafka, bound_kafka_python
from runtime.broker.codecs import CODECS
from runtime.record import UnreadableBatch
from runtime.settings import KafkaSettings
from tests.batches import batch_of, bomb_of

LIMIT = 4 << 20
Client = Any


@pytest.fixture(params=["aiokafka", "kafka-python"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """The module whose consumer reads, with a bound of 4 MiB."""
    bound_aiokafka(LIMIT)
    bound_kafka_python(LIMIT)
    yield {"aiokafka": aiokafka.consumer.fetcher, "kafka-python": kafka.consumer.fetcher}[request.param]
    KafkaSettings().aiokafka_options()
    KafkaSettings().client_options()


def _read(client: Client, fetched: bytes) -> list[Any]:
    """Records of one fetch, as each client goes through them."""
    found, batches = [], client.MemoryRecords(fetched)
    while batches.has_next():
        found += list(batches.next_batch())
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_batches_of_every_codec_are_read(client: Client, codec: str) -> None:
    """Several MiB in each, without a copy of it that differs."""
    records = [(b"key %d" % number, bytes([number % 256]) * 30_000) for number in range(100)]
    read = _read(client, batch_of(codec, [(key, value) for key, value in records]))
    assert [(record.key, record.value) for record in read] == records
    assert [record.offset for record in read] == list(range(100))


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        (batch_of("gzip", [(b"k", bytes(LIMIT))]), "gzip decompress to more than"),
        (batch_of("zstd", [(b"k", b"v")] * 50_000), "50,000 records, 41,943 are allowed"),
        (batch_of("lz4", [(b"k", b"v" * 1000)])[:-12] + b"lz4 no more!", "are not lz4"),
        (batch_of("none", [(b"k", b"v")])[:-4] + b"\xff\xff\xff\xff", "cannot be told apart"),
    ],
    ids=["bytes", "records", "codec", "layout"],
)
def test_a_batch_that_cannot_be_read_is_one_record_that_says_so(client: Client, batch: bytes, why: str) -> None:
    """At the offset of its last record, so that reading goes on behind it; it holds the batch as it is in the log."""
    sound = batch_of("zstd", [(b"k", b"sound")])
    before, marked, after = _read(client, sound + batch + sound)
    assert (before.value, after.value) == (b"sound", b"sound")
    assert isinstance(marked.value, UnreadableBatch)
    assert why in marked.value.reason
    assert marked.value == batch
    assert marked.offset == client.MemoryRecords(batch).next_batch().next_offset - 1


def test_a_fetch_of_many_batches_stays_within_the_bound(client: Client) -> None:
    """A megabyte may hold thousands that are allowed, each on its own: the rest of them is left for the next fetch."""
    one = batch_of("zstd", [(b"k", bytes(LIMIT // 2))])
    assert len(one) < 1000
    assert len(_read(client, one * 100)) == 2


def test_gigabytes_are_not_decompressed(client: Client) -> None:
    """Two of them in less than a quarter of a megabyte."""
    bomb = bomb_of(2047)
    assert len(bomb) < 1 << 18
    [marked] = _read(client, bomb)
    assert isinstance(marked.value, UnreadableBatch)
