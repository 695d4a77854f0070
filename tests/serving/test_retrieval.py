"""Which items become candidates, and which never do."""

import numpy as np
import pytest

from feature_repo.counters import HALF_LIFE_NAMES
from feature_repo.rows import UserRow
from serving.errors import InvalidRequest
from serving.retrieval import candidates, eligible_rows
from tests.serving.worlds import DIMENSIONS, NOW, VOCABULARY, filled_table, user_row

EVERYTHING = frozenset[str]()


def test_deleted_excluded_and_other_types_are_left_out() -> None:
    """What is left is in the catalogue, wanted, and of the type."""
    table = filled_table()
    table.delete("i3")
    ids = [table.ids[row] for row in eligible_rows(table, item_types=frozenset({"song"}), exclude=["i1", "unheard of"])]
    assert ids == [f"i{number}" for number in range(5, 40, 2)]


def test_type_that_nothing_is_of_is_named_with_those_that_exist() -> None:
    """A typing error in a type is not answered with an empty list."""
    with pytest.raises(InvalidRequest, match="is of type sonnet; there are: article, song"):
        eligible_rows(filled_table(), item_types=frozenset({"sonnet", "song"}), exclude=[])


def test_small_catalogue_is_scored_whole() -> None:
    """Where all fit into the pool nothing is chosen beforehand."""
    table = filled_table(7)
    rows = eligible_rows(table, item_types=EVERYTHING, exclude=[])
    assert len(candidates(table, user_row(), rows, context_D=None, now=NOW, pool=7)) == 7


def test_sources_take_turns_and_no_candidate_comes_twice() -> None:
    """Neighbours of what was liked, what trends and what is new are all there when the pool is tight."""
    table = filled_table()
    counters_CH = np.zeros((len(VOCABULARY.counters), len(HALF_LIFE_NAMES)))
    counters_CH[1] = 9.0
    table.set_activity("i20", NOW, counters_CH)
    rows = eligible_rows(table, item_types=EVERYTHING, exclude=["i3", "i11"])
    found = candidates(table, user_row(), rows, context_D=None, now=NOW, pool=6).tolist()
    assert len(found) == len(set(found)) == 6
    assert 20 in found  # trends
    assert 39 in found  # newest
    assert {19, 27} <= set(found)  # on the axis of i3 and i11, which were liked


def test_disliked_items_attract_no_neighbours() -> None:
    """An engagement below what is usual says the opposite of taste."""
    table = filled_table()
    row = UserRow.empty("bob", VOCABULARY)
    row.engage("i3", NOW, [np.nan, np.nan, -5.0])
    rows = eligible_rows(table, item_types=EVERYTHING, exclude=[])
    assert 19 not in candidates(table, row, rows, context_D=None, now=NOW, pool=4)


def test_context_brings_its_own_neighbours() -> None:
    """Words that the user types find items that the user's history does not."""
    table = filled_table()
    rows = eligible_rows(table, item_types=EVERYTHING, exclude=[])
    found = candidates(table, user_row(), rows, context_D=np.eye(DIMENSIONS, dtype=np.float32)[5], now=NOW, pool=8)
    assert any(row % DIMENSIONS == 5 for row in found)
