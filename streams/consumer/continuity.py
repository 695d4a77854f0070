"""Which chunks of a log follow on from what was handed out before, so that no record is left out and none comes twice."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from streams.consumer.chunks import Chunk

__all__ = ["Continuity", "Gap"]

P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Gap:
    """A chunk that does not follow on: what lies between must be read first."""

    expected: int
    """Offset to ask for."""
    out_of_range: bool
    """The broker does not have it."""


@dataclass(kw_only=True, slots=True)
class Continuity(Generic[P]):
    """The offset that each partition's next chunk must have been asked from."""

    expected: dict[P, int] = field(default_factory=dict)
    sought: dict[P, int] = field(default_factory=dict)
    """`Chunk.seeks` of what was fetched after the last seek; earlier chunks ask for no other one."""

    def begin(self, offsets: Mapping[P, int]) -> None:
        """Reading starts here; chunks of other partitions are dropped."""
        self.expected, self.sought = dict(offsets), {}

    def move(self, offsets: Mapping[P, int], seeks: Mapping[P, int]) -> None:
        """Reading of these partitions goes on from here, by the seeks of these numbers."""
        self.expected |= offsets
        self.sought |= seeks

    def take(self, partition: P, chunk: Chunk) -> Chunk | Gap | None:
        """The part of the chunk that is new; a Gap where something is missing before it; None where nothing is new.

        >>> continuity = Continuity(expected={0: 5})
        >>> continuity.take(0, Chunk((), 5, 9)).end, continuity.expected
        (9, {0: 9})
        >>> continuity.take(0, Chunk((), 12, 20))
        Gap(expected=9, out_of_range=False)
        """
        expected = self.expected.get(partition)
        if expected is None:
            return None
        if chunk.out_of_range or chunk.start > expected:
            stale = chunk.seeks < self.sought.get(partition, 0)
            return None if stale else Gap(expected, chunk.out_of_range and chunk.start == expected)
        if chunk.end <= expected:
            return None
        self.expected[partition] = chunk.end
        return chunk.since(expected)
