"""Record batches as consumers read them: decompressed within a bound, and what cannot be read marked instead of fatal.

Both clients decompress a batch whole, however large it becomes, and raise on one that they cannot read; the next fetch brings it
again, so that one such batch would end its readers for good. Here it becomes a single record, at the offset of the batch's last
one, whose value is an `UnreadableBatch`; readers report it and go on behind it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import kafka.consumer.fetcher
from kafka.errors import CorruptRecordError

from runtime.broker.codecs import CODECS, UnreadableError, decompress
from runtime.record import UnreadableBatch

__all__ = ["bound_aiokafka", "bound_kafka_python"]

_LENGTH = slice(8, 12)  # of what follows, behind the offset of the first record
_ATTRIBUTES = 22  # the lower of two bytes; its lowest three bits are the codec
_COUNT = slice(57, 61)
_HEADER_BYTES = 61  # in format 2, the only one that brokers write since Kafka 3.0


_RECORD_BYTES = 100  # that count for each record: many small ones take more memory than their bytes

_unreadable: list[type[Exception]] = [ValueError, IndexError, CorruptRecordError]
"""What is raised for a batch that does not decompress, or whose records cannot be told apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _StandIn:
    """What both clients ask of a record."""

    offset: int
    timestamp: int
    timestamp_type: int
    value: UnreadableBatch
    key: None = None
    checksum: None = None
    headers: tuple[()] = ()

    @property
    def size_in_bytes(self) -> int:
        return len(self.value)

    def validate_crc(self) -> bool:
        return True


class _Records:
    """The batches of one fetch of one partition; in place of a client's own class of that purpose, which is in `of`.

    It ends early once what it decompressed exceeds the bound: clients fetch the rest again.
    """

    of: Any
    limit: int

    def __init__(self, fetched: Any) -> None:
        self._records, self._fetched = self.of(fetched), fetched
        self._at = self._decompressed = 0

    def has_next(self) -> bool:
        return self._decompressed <= self.limit and bool(self._records.has_next())

    def size_in_bytes(self) -> int:
        return int(self._records.size_in_bytes())

    def next_batch(self) -> Any:
        """None where there are no more."""
        batch = self._records.next_batch() if self.has_next() else None
        if batch is None:
            return None
        start = self._at
        self._at = start + _LENGTH.stop + int.from_bytes(self._fetched[start + _LENGTH.start : start + _LENGTH.stop])
        if batch.magic < 2 or batch.is_control_batch:
            return batch
        return _Batch(batch, self._fetched[start : self._at], self)

    def decompress(self, codec: str, payload: bytes, records: int) -> bytes:
        """Raises UnreadableError where that would take more memory than the bound allows."""
        overhead = _RECORD_BYTES * records
        if overhead > self.limit:
            raise UnreadableError(f"it says to hold {records:,} records, {self.limit // _RECORD_BYTES:,} are allowed")
        plain = decompress(codec, payload, self.limit - overhead)
        self._decompressed += len(plain) + overhead
        return plain


class _Batch:
    """A batch that does not raise."""

    def __init__(self, batch: Any, raw: Any, records: _Records) -> None:
        self._batch, self._raw, self._records = batch, raw, records

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._readable()
        except tuple(_unreadable) as error:
            yield self._stand_in(error)

    def _stand_in(self, error: Exception) -> _StandIn:
        batch, raw = self._batch, bytes(self._raw)
        last, records = batch.next_offset - 1, int.from_bytes(raw[_COUNT])
        why = str(error) if isinstance(error, UnreadableError) else f"its records cannot be told apart: {error!r}"
        value = UnreadableBatch(raw, f"a batch of {records:,} records from offset {batch.base_offset} to {last}: {why}")
        return _StandIn(offset=last, timestamp=batch.max_timestamp, timestamp_type=batch.timestamp_type, value=value)

    def _readable(self) -> Any:
        """The batch itself, or a copy that is not compressed."""
        codec = self._batch.compression_type
        if codec == 0:
            return self._batch
        raw = bytes(self._raw)
        header = bytearray(raw[:_HEADER_BYTES])
        header[_ATTRIBUTES] &= ~7
        records = int.from_bytes(header[_COUNT])
        return type(self._batch)(bytes(header) + self._records.decompress(CODECS[codec], raw[_HEADER_BYTES:], records))


def bound_kafka_python(limit: int) -> None:
    """Lets no consumer of kafka-python decompress a batch to more than `limit` bytes; may be called repeatedly."""
    _bound(kafka.consumer.fetcher, limit)


def bound_aiokafka(limit: int) -> None:
    """The same for aiokafka's, Faust's among them."""
    import aiokafka.consumer.fetcher  # a producer host has kafka-python only
    from aiokafka.errors import CorruptRecordException

    if CorruptRecordException not in _unreadable:
        _unreadable.append(CorruptRecordException)
    _bound(aiokafka.consumer.fetcher, limit)


def _bound(fetcher: Any, limit: int) -> None:
    given = fetcher.MemoryRecords
    of = given.of if issubclass(given, _Records) else given
    fetcher.MemoryRecords = type("MemoryRecords", (_Records,), {"of": of, "limit": limit})
