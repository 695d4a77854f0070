"""Rows that a worker keeps in memory between batches; it is their only writer while it owns their partitions."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["CacheUse", "RowCache"]

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheUse:
    """How a batch found the rows that it needed."""

    hits: int
    misses: int
    """Rows that had to be read from the store."""
    rows: int
    """Rows in memory after it."""


class RowCache(Generic[R]):
    """The latest rows by id: what is missing is read from the store, what nobody has, made empty; the longest unused go."""

    def __init__(self, *, read: Callable[[Sequence[str]], dict[str, R]], empty: Callable[[str], R], capacity: int) -> None:
        self._read, self._empty, self._capacity = read, empty, capacity
        self._rows: OrderedDict[str, R] = OrderedDict()
        self.use = CacheUse(hits=0, misses=0, rows=0)
        """How the last `take` went."""

    def take(self, ids: Iterable[str]) -> dict[str, R]:
        """The rows of these ids, to be changed in place; raises what `read` raises, and then nothing has changed."""
        wanted = dict.fromkeys(ids)
        missing = [one for one in wanted if one not in self._rows]
        found = self._read(missing) if missing else {}
        for one in missing:
            self._rows[one] = found[one] if one in found else self._empty(one)
        for one in wanted:
            self._rows.move_to_end(one)
        rows = {one: self._rows[one] for one in wanted}
        while len(self._rows) > self._capacity:
            self._rows.popitem(last=False)
        self.use = CacheUse(hits=len(wanted) - len(missing), misses=len(missing), rows=len(self._rows))
        return rows

    def clear(self) -> None:
        """Forgets all rows: they may have changed elsewhere, or hold what was never written."""
        self._rows.clear()
