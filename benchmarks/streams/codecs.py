"""Compression of Headwater's own records: bytes and time of each codec, on batches as the features worker writes them."""

import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from benchmarks.streams.plant import vocabulary
from benchmarks.streams.workload import catalogue, contents, publications
from feature_repo.items.table import ItemTable
from feature_repo.rows import ItemRow, UserRow
from headwater.v1.topics import EVENTS
from runtime.broker.codecs import CODECS, decompress
from runtime.record import Publication, Record
from streams.processors.item import ItemProcessor
from streams.processors.user import UserProcessor

__all__ = ["measure"]

_EVENTS = 20_000
_BATCH_BYTES = 256 * 1024
_HEADER_BYTES = 61
_ROUNDS = 3


class _Rows:
    """A store that holds nothing: every user and item is new once."""

    def read_users(self, user_ids: Any) -> dict[str, UserRow]:
        return {}

    def state(self, partition: int) -> bytes:
        return b""

    def read_items(self, item_ids: Any) -> dict[str, ItemRow]:
        return {}


def measure(say: Callable[[str], None], *, count: int = _EVENTS) -> dict[str, Any]:
    """By topic and codec: compressed bytes for a plain byte, and plain megabytes a second, written by aiokafka and read by us."""
    found: dict[str, Any] = {}
    for topic, records in _written(count).items():
        plain = sum(len(value or b"") + len(key) for _, key, value in records)
        found[topic] = {"bytes_a_record": plain / len(records)}
        for codec in CODECS:
            writes = [_timed(partial(_batches, records, CODECS.index(codec))) for _ in range(_ROUNDS)]
            batches = writes[0][1]
            reads = [_timed(partial(_read, codec, batches)) for _ in range(_ROUNDS)]
            found[topic][codec] = {
                "ratio": sum(map(len, batches)) / plain,
                "written_mb_per_s": plain / min(seconds for seconds, _ in writes) / 1e6,
                "read_mb_per_s": plain / min(seconds for seconds, _ in reads) / 1e6,
            }
        shown = (
            f"{codec} {found[topic][codec]['ratio']:.2f} at {found[topic][codec]['written_mb_per_s']:.0f} MB/s"
            for codec in CODECS
        )
        say(f"{topic}: {', '.join(shown)}")
    return found


def _written(count: int) -> dict[str, list[Publication]]:
    """Records by topic, as the server and the features worker write them."""
    names = vocabulary()
    items = list(catalogue())
    table = ItemTable(names, dimensions=len(items[0][1]))
    for item, vector_D in items:
        table.set_content(item, vector_D)
    store: Any = _Rows()
    users = UserProcessor(table=table, store=store, log=lambda: 1, clock=time.time, cached_rows=count)
    item_rows = ItemProcessor(names, store=store, clock=time.time, cached_rows=count)
    events = publications(names, count, served=False)
    by_topic: dict[str, list[Publication]] = defaultdict(list)
    by_topic[EVENTS.name] = events
    for one in users.process(_records(events)).publications:
        by_topic[one.topic].append(one)
    for one in item_rows.process(_records(by_topic["headwater.item-actions.v1"])).publications:
        by_topic[one.topic].append(one)
    for one in contents("1"):
        by_topic[one.topic].append(one)
    return by_topic


def _records(publications: list[Publication]) -> list[Record]:
    now = time.time()
    return [
        Record(topic=topic, partition=0, offset=at, key=key, value=value, appended_at=now)
        for at, (topic, key, value) in enumerate(publications)
    ]


def _batches(records: list[Publication], codec: int) -> list[bytes]:
    built: list[bytes] = []
    batch, size = _builder(codec), 0
    for _, key, value in records:
        if batch.append(size, 0, key=key, value=value, headers=[]) is None:
            built.append(bytes(batch.build()))
            batch, size = _builder(codec), 0
            batch.append(size, 0, key=key, value=value, headers=[])
        size += 1
    return [*built, bytes(batch.build())]


def _builder(codec: int) -> Any:
    options = {"is_transactional": 0, "producer_id": -1, "producer_epoch": -1, "base_sequence": 0, "batch_size": _BATCH_BYTES}
    return DefaultRecordBatchBuilder(2, codec, **options)


def _read(codec: str, batches: list[bytes]) -> None:
    for batch in batches:
        if codec != "none":
            decompress(codec, batch[_HEADER_BYTES:], 1 << 30)


def _timed(step: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = step()
    return time.perf_counter() - began, result
