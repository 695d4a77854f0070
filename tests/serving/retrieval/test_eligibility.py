"""Which items a list may draw from, and which never."""

import numpy as np
import pytest

from feature_repo.rows import UserRow
from serving.api.errors import InvalidRequest
from serving.api.requests import Condition, Filter, Interaction, SlateQuery
from serving.retrieval.eligibility import eligible_rows
from serving.retrieval.facets import ItemFacets
from tests.serving.worlds import NOW, VOCABULARY, filled_table, user_row

NOBODY = UserRow.empty("nobody", VOCABULARY)


def drawn(slate: SlateQuery, row: UserRow = NOBODY, exclude: tuple[str, ...] = (), deleted: tuple[str, ...] = ()) -> set[str]:
    table = filled_table()
    for item_id in deleted:
        table.delete(item_id)
    rows = eligible_rows(table, ItemFacets(table), slate, row, exclude=exclude, now=NOW)
    return {table.ids[row] for row in rows}


def test_deleted_excluded_and_other_types_are_left_out() -> None:
    """What is left is in the catalogue, wanted, and of the type."""
    slate = SlateQuery(count=1, item_types=frozenset({"song"}))
    left = drawn(slate, exclude=("i1", "unheard of"), deleted=("i3",))
    assert left == {f"i{number}" for number in range(5, 40, 2)}


def test_type_that_nothing_is_of_is_named_with_those_that_exist() -> None:
    """A typing error in a type is not answered with an empty list."""
    with pytest.raises(InvalidRequest, match="is of type sonnet; there are: article, song"):
        drawn(SlateQuery(count=1, item_types=frozenset({"sonnet", "song"})))


def test_all_conditions_must_hold() -> None:
    """Type and time of publication together; items are published a second apart."""
    recent = Filter(conditions=(Condition(field="type", any_of=("song",)),), published_within_seconds=964.0)
    assert drawn(SlateQuery(count=1, filter=recent)) == {"i37", "i39"}


@pytest.mark.parametrize(
    ("leave_out", "left"),
    [
        ((Interaction(),), set()),
        ((Interaction(task="stars"),), {"i5"}),
        ((Interaction(within_seconds=90.0),), {"i7"}),
        ((Interaction(task="stars", within_seconds=90.0),), {"i5", "i7"}),
        ((Interaction(task="stars"), Interaction(within_seconds=90.0)), set()),
    ],
)
def test_what_was_acted_on_is_left_out_by_task_and_time(leave_out: tuple[Interaction, ...], left: set[str]) -> None:
    """i3: rated a minute ago; i5: clicked a minute ago; i7: rated long ago. By default all three are left out."""
    row = user_row(liked=("i3",))
    row.engage("i5", NOW - 60.0, [1.0, np.nan, np.nan])
    row.engage("i7", NOW - 5000.0, [np.nan, np.nan, 4.0])
    assert drawn(SlateQuery(count=1, leave_out=leave_out), row) & {"i3", "i5", "i7"} == left
    assert drawn(SlateQuery(count=1, leave_out=()), row) >= {"i3", "i5", "i7"}
