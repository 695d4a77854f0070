"""Runs of records of one partition, with the offsets between which each run was read."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

__all__ = ["Chunk", "fetched_chunks"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition, and the part of the log that they are all of; what a message of Faust carries as its value.

    A log has holes by right: compaction, transaction markers and aborted batches take offsets that hold no record. So what
    follows on is told by the offset that was asked for, never by the number of the first record.
    """

    records: Sequence[Any]
    start: int
    """Offset that was asked for."""
    end: int
    """Offset to ask for next: all records from `start` to before it are here."""
    out_of_range: bool = False
    """The broker has no record at `start`: retention deleted it, or the log ends before it."""
    seeks: int = 0
    """How often the partition had been sought when this was fetched."""
    generation: int = 0
    """Of the consumer group when this was fetched."""

    def split(self, size: int) -> Iterator["Chunk"]:
        """The same in pieces of at most `size` records, which follow on from each other."""
        start = self.start
        for at in range(0, max(len(self.records), 1), size):
            records = self.records[at : at + size]
            end = self.end if at + size >= len(self.records) else records[-1].offset + 1
            yield replace(self, records=records, start=start, end=end)
            start = end

    def since(self, offset: int) -> "Chunk":
        """The part of it from `offset` on."""
        if offset == self.start:
            return self
        return replace(self, records=[record for record in self.records if record.offset >= offset], start=offset)


async def fetched_chunks(fetcher: Any, partitions: set[Any], seconds: float, most: int | None) -> dict[Any, Chunk]:
    """What aiokafka's fetcher has, by partition: at most `most` records in all, if given; waits up to `seconds` for the first.

    It is `Fetcher.fetched_records` of aiokafka 0.14, which gives the records alone: the position before and after them is lost
    there, and with it whether they follow on. A fetch that brought control records only is a chunk without records.
    """
    deadline = time.monotonic() + seconds
    while True:
        if fetcher._subscriptions.reassignment_in_progress:
            await fetcher._subscriptions.wait_for_assignment()
        drained: dict[Any, Chunk] = {}
        for tp in list(fetcher._records):
            if tp not in partitions:
                if not fetcher._subscriptions.is_assigned(tp):
                    del fetcher._records[tp]
                continue
            fetched = fetcher._records[tp]
            if isinstance(fetched, FetchResult):
                chunk = _drained(fetched, most)
                if not fetched.has_more():
                    del fetcher._records[tp]
                    fetcher._notify(fetcher._wait_consume_future)
                if chunk is not None:
                    drained[tp] = chunk
                    if most is not None and (most := most - len(chunk.records)) <= 0:
                        break
            else:
                if drained:
                    return drained  # the error comes with the next call
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
                if (offset := _out_of_range(fetched, tp)) is not None:
                    return {tp: Chunk((), offset, offset, out_of_range=True)}
        if drained or time.monotonic() >= deadline:
            return drained
        waiter = fetcher._create_fetch_waiter()
        done, pending = await asyncio.wait([waiter], timeout=deadline - time.monotonic())
        if not done or fetcher._closed:
            for one in pending:
                one.cancel()
            return {}
        waiter.result()  # raises where the broker refuses access


def _drained(fetched: Any, most: int | None) -> Chunk | None:
    """The records of one fetch, with the positions around them; None where another position is wanted by now."""
    partition_records = fetched._partition_records
    if partition_records is None:
        return None
    start = partition_records.next_fetch_offset
    records = fetched.getall(most)
    if fetched._partition_records is None and not records and partition_records.next_fetch_offset == start:
        return None  # the assignment changed, or a seek came in between
    return Chunk(records, start, partition_records.next_fetch_offset)


def _out_of_range(fetched: Any, tp: Any) -> int | None:
    """The offset that the broker does not have; None where a seek is about to set the position. Raises any other error."""
    try:
        fetched.check_raise()
    except OffsetOutOfRangeError as error:
        return int(error.args[0][tp])
    except NoOffsetForPartitionError:
        return None
    raise AssertionError("a fetch error raises itself")
