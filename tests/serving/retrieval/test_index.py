"""Retrieval from a large catalogue: what is looked up is what would have been computed, and follows the catalogue."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from feature_repo.counters import HALF_LIFE_NAMES
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from headwater.v1.catalogue_pb2 import Item
from serving.retrieval.index import CatalogueIndex
from serving.retrieval.sources import candidates
from tests.serving.worlds import NOW, VOCABULARY

ITEMS, DIMENSIONS, POOL = 3000, 32, 60
EVERY = np.arange(ITEMS)


def vectors(seed: int, count: int) -> NDArray[np.float32]:
    made = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32)
    unit: NDArray[np.float32] = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit


@pytest.fixture(scope="module")
def table() -> ItemTable:
    """Three thousand items, the newest last; those of a hundred numbers trend."""
    made = ItemTable(VOCABULARY, dimensions=DIMENSIONS)
    counters_CH = np.zeros((len(VOCABULARY.counters), len(HALF_LIFE_NAMES)))
    for number, vector_D in enumerate(vectors(0, ITEMS)):
        item = Item(item_id=f"i{number}", type="article")
        item.published_at.FromSeconds(int(NOW) - ITEMS + number)
        made.set_content(item, vector_D)
        if number % 30 == 0:
            counters_CH[1] = 1.0 + number
            made.set_activity(item.item_id, NOW, counters_CH)
    return made


@pytest.fixture
def index(table: ItemTable) -> Iterator[CatalogueIndex]:
    """An index that takes a thousand items for many, caught up."""
    made = CatalogueIndex(table, clock=lambda: NOW + time.monotonic(), exact=1000)
    made.start()
    eventually(lambda: made.waiting == 0 and made.standing() is not None)
    yield made
    made.stop()
    table.followers.remove(made._changed)


def eventually(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90.0
    while not look():
        assert time.monotonic() < deadline, "not within 90 s"
        time.sleep(0.02)


def liking(*item_ids: str) -> UserRow:
    row = UserRow.empty("ann", VOCABULARY)
    for item_id in item_ids:
        row.engage(item_id, NOW - 60.0, [1.0, np.nan, 5.0])
    return row


def drawn(table: ItemTable, index: CatalogueIndex, rows_M: NDArray[np.intp], row: UserRow) -> set[int]:
    found = candidates(table, row, rows_M, index=index, context_D=None, now=NOW, pool=POOL).tolist()
    assert len(found) == len(set(found)) == POOL
    return set(found)


def test_neighbours_are_nearly_those_of_the_exact_way(table: ItemTable, index: CatalogueIndex) -> None:
    """Of the true best fifty of each query nine in ten are found, the nearest first."""
    queries_QD = vectors(1, 10)
    for query_D in queries_QD:
        exact = set(np.argsort(-(table.vectors[:ITEMS] @ query_D))[:50].tolist())
        found = index.nearest(query_D[None], 50)
        assert len(exact & set(found.tolist())) >= 45
        near = table.vectors[found] @ query_D
        assert (np.diff(near) <= 0.0).all()


def test_candidates_are_nearly_those_of_the_exact_way(table: ItemTable, index: CatalogueIndex) -> None:
    """All sources together, and only what is eligible."""
    row, rows_M = liking("i5", "i500"), np.setdiff1d(EVERY, [5, 500])
    exact = drawn(table, CatalogueIndex(table, clock=lambda: NOW), rows_M, row)
    assert len(drawn(table, index, rows_M, row) & exact) >= 0.9 * POOL
    even = np.arange(0, ITEMS, 2)
    assert drawn(table, index, even, row) <= set(even.tolist())


def test_narrow_choice_is_filled_up_with_what_is_eligible(table: ItemTable, index: CatalogueIndex) -> None:
    """Where what is looked up is hardly eligible, the list is still of full length."""
    near = set(index.nearest(table.vectors[[5]], 8 * POOL).tolist())
    trends, new = index.standing() or (EVERY, EVERY)
    rest = np.setdiff1d(EVERY, [*near, *trends[:POOL], *new[:POOL]])
    assert drawn(table, index, rest, liking("i5")) <= set(rest.tolist())


def test_change_is_found_at_once_and_the_old_text_no_more(table: ItemTable, index: CatalogueIndex) -> None:
    """Before the index has taken it over and after; a deleted item is forgotten."""
    query_D = vectors(2, 1)
    table.set_content(Item(item_id="i7", type="article"), query_D[0])
    assert index.nearest(query_D, 1).tolist() == [7]
    eventually(lambda: index.waiting == 0)
    assert index.nearest(query_D, 1).tolist() == [7]
    table.set_content(Item(item_id="i7", type="article"), -query_D[0])
    eventually(lambda: index.waiting == 0)
    assert index.nearest(query_D, 1).tolist() != [7]
    assert index.nearest(-query_D, 1).tolist() == [7]
    table.delete("i7")
    eventually(lambda: index.waiting == 0)
    assert index.nearest(-query_D, 1).tolist() != [7]
