"""Which items become candidates, and which never do."""

import numpy as np

from feature_repo.counters import HALF_LIFE_NAMES
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from serving.retrieval.index import CatalogueIndex
from serving.retrieval.sources import candidates
from tests.serving.worlds import DIMENSIONS, NOW, VOCABULARY, filled_table, user_row


def index_of(table: ItemTable) -> CatalogueIndex:
    """One that nothing of so small a catalogue needs."""
    return CatalogueIndex(table, clock=lambda: NOW)


def test_small_catalogue_is_scored_whole() -> None:
    """Where all fit into the pool nothing is chosen beforehand."""
    table = filled_table(7)
    rows = np.arange(len(table))
    assert len(candidates(table, user_row(), rows, index=index_of(table), context_D=None, now=NOW, pool=7)) == 7


def test_sources_take_turns_and_no_candidate_comes_twice() -> None:
    """Neighbours of what was liked, what trends and what is new are all there when the pool is tight."""
    table = filled_table()
    counters_CH = np.zeros((len(VOCABULARY.counters), len(HALF_LIFE_NAMES)))
    counters_CH[1] = 9.0
    table.set_activity("i20", NOW, counters_CH)
    rows = np.setdiff1d(np.arange(len(table)), [3, 11])
    found = candidates(table, user_row(), rows, index=index_of(table), context_D=None, now=NOW, pool=6).tolist()
    assert len(found) == len(set(found)) == 6
    assert 20 in found  # trends
    assert 39 in found  # newest
    assert {19, 27} <= set(found)  # on the axis of i3 and i11, which were liked


def test_disliked_items_attract_no_neighbours() -> None:
    """An engagement below what is usual says the opposite of taste."""
    table = filled_table()
    row = UserRow.empty("bob", VOCABULARY)
    row.engage("i3", NOW, [np.nan, np.nan, -5.0])
    rows = np.arange(len(table))
    assert 19 not in candidates(table, row, rows, index=index_of(table), context_D=None, now=NOW, pool=4)


def test_context_brings_its_own_neighbours() -> None:
    """Words that the user types find items that the user's history does not."""
    table = filled_table()
    rows = np.arange(len(table))
    found = candidates(
        table, user_row(), rows, index=index_of(table), context_D=np.eye(DIMENSIONS, dtype=np.float32)[5], now=NOW, pool=8
    )
    assert any(row % DIMENSIONS == 5 for row in found)
