"""Continuity over logs with every kind of hole, against a plain reading of the log."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.consumer.chunks import Chunk
from streams.consumer.continuity import Continuity, Gap


class Log:
    """Offsets that hold records; the others were compacted away, aborted, or taken by transaction markers."""

    def __init__(self, offsets: list[int], end: int) -> None:
        self.offsets, self.end, self.first = sorted(offsets), end, 0

    def fetch(self, start: int, most: int) -> Chunk:
        """As a broker and aiokafka answer: records from `start` on, and the position behind them."""
        if start < self.first:
            return Chunk((), start, start, out_of_range=True)
        found = [offset for offset in self.offsets if start <= offset]
        records: list[Any] = [SimpleNamespace(offset=offset) for offset in found[:most]]
        end = self.end if len(found) <= most else found[most]  # the hole behind the last record is read, too
        return Chunk(records, start, end)


@given(
    st.integers(1, 60).flatmap(lambda end: st.tuples(st.sets(st.integers(0, end - 1)), st.just(end))),
    st.lists(
        st.one_of(
            st.tuples(st.just("fetch"), st.integers(1, 8), st.integers(1, 4)),
            st.tuples(st.just("drop"), st.integers(1, 8), st.integers(1, 4)),
            st.tuples(st.just("rebalance"), st.integers(0, 60), st.just(1)),
            st.tuples(st.just("retain"), st.integers(0, 60), st.just(1)),
        ),
        max_size=30,
    ),
)
def test_every_record_comes_once_and_in_order_whatever_is_missing_in_between(
    log_of: tuple[set[int], int], steps: list[tuple[str, int, int]]
) -> None:
    """Fetches of any size, dropped chunks, rebalances, retention: what is handed out is the log, or a reported loss."""
    offsets, end = log_of
    log, continuity = Log(list(offsets), end), Continuity[int]()
    continuity.begin({0: 0})
    position, handed, committed = 0, list[int](), 0
    lost: set[int] = set()
    for step, number, size in [*steps, *[("fetch", 8, 3)] * (end + 2)]:
        if step == "rebalance":  # read again from the last committed offset, wherever the fetches are
            committed = min(number, continuity.expected[0])
            handed = [offset for offset in handed if offset < committed]
            continuity.begin({0: committed})
            position = committed
            continue
        if step == "retain":
            log.first = max(log.first, min(number, end))
            log.offsets = [offset for offset in log.offsets if offset >= log.first]
            continue
        chunk = log.fetch(position, number)
        position = chunk.end
        for piece in chunk.split(size):
            if step == "drop":  # Faust drops it in a rebalance
                continue
            taken = continuity.take(0, piece)
            if isinstance(taken, Gap):
                position = taken.expected
                if taken.out_of_range:
                    lost |= set(range(taken.expected, log.first))
                    position = log.first
                    continuity.move({0: position}, {0: 0})
                break
            if taken is not None:
                handed += [record.offset for record in taken.records]
    assert continuity.expected[0] == end
    assert handed == sorted(set(handed))
    assert set(handed) | (lost & offsets) >= offsets
    assert set(handed) <= offsets


def test_a_chunk_that_overlaps_gives_its_new_part() -> None:
    """After a read from further back, chunks are cut at other places."""
    continuity = Continuity(expected={0: 7})
    records = [SimpleNamespace(offset=offset) for offset in (5, 6, 8, 9)]
    taken = continuity.take(0, Chunk(records, 5, 12))
    assert isinstance(taken, Chunk)
    assert ([record.offset for record in taken.records], taken.start, taken.end) == ([8, 9], 7, 12)
    assert continuity.take(0, Chunk(records, 5, 12)) is None


def test_pieces_of_a_chunk_follow_on_over_its_holes() -> None:
    """One fetch makes several messages; the hole between two pieces belongs to the first."""
    records = [SimpleNamespace(offset=offset) for offset in (10, 500, 501, 9000)]
    pieces = list(Chunk(records, 3, 9500).split(1))
    assert [(piece.start, piece.end) for piece in pieces] == [(3, 11), (11, 501), (501, 502), (502, 9500)]
    assert [(piece.start, piece.end) for piece in Chunk((), 3, 5).split(4)] == [(3, 5)]
