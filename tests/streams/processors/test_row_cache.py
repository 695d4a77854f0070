"""The cache of rows."""

from collections.abc import Sequence

import pytest

from streams.processors.row_cache import CacheUse, RowCache


def test_rows_are_read_once_and_the_longest_unused_go() -> None:
    """The worker is the only writer, so what it holds is the latest."""
    asked: list[list[str]] = []

    def read(ids: Sequence[str]) -> dict[str, list[str]]:
        asked.append(list(ids))
        return {one: ["stored"] for one in ids if one != "new"}

    cache = RowCache(read=read, empty=lambda one: [one], capacity=2)
    rows = cache.take(["a", "new", "a"])
    assert rows == {"a": ["stored"], "new": ["new"]}
    assert cache.use == CacheUse(hits=0, misses=2, rows=2)
    assert cache.take(["a"])["a"] is rows["a"]
    cache.take(["b"])
    assert cache.take(["a"])["a"] is rows["a"], "it was used last, so `new` went"
    cache.take(["new", "a"])
    assert cache.use == CacheUse(hits=1, misses=1, rows=2)
    assert asked == [["a", "new"], ["b"], ["new"]]
    cache.clear()
    cache.take(["a"])
    assert asked[-1] == ["a"]


def test_a_read_that_fails_changes_nothing() -> None:
    """The batch is tried again as a whole."""

    def read(ids: Sequence[str]) -> dict[str, int]:
        raise ConnectionError("down")

    cache = RowCache(read=read, empty=lambda one: 0, capacity=2)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            cache.take(["a"])
