"""Which items a list may draw from, and which never."""

import numpy as np
import pytest

from feature_repo.older_items import OLDER_ITEMS, id_hash
from feature_repo.rows import UserRow
from feature_repo.vocabulary import RECENT
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


@pytest.mark.parametrize(
    ("leave_out", "left"),
    [
        ((Interaction(),), set()),
        ((Interaction(task="stars"),), {"i5"}),
        ((Interaction(within_seconds=7 * 86_400.0),), {"i3", "i5", "i7"}),
        ((Interaction(within_seconds=40 * 86_400.0),), {"i3"}),
        ((Interaction(task="stars", within_seconds=40 * 86_400.0),), {"i3", "i5"}),
    ],
)
def test_what_was_acted_on_long_ago_is_left_out_too(leave_out: tuple[Interaction, ...], left: set[str]) -> None:
    """i3: rated 60 days ago; i5 and i7: clicked and rated 20 days ago; since then the user acted on as many as a row lists."""
    row = user_row(liked=())
    row.engage("i3", NOW - 60 * 86_400.0, [np.nan, np.nan, 4.0])
    row.engage("i5", NOW - 20 * 86_400.0, [1.0, np.nan, np.nan])
    row.engage("i7", NOW - 20 * 86_400.0, [np.nan, np.nan, 4.0])
    for number in range(RECENT):
        row.engage(f"other {number}", NOW - 19 * 86_400.0 + number, [1.0, np.nan, np.nan])
    assert not {"i3", "i5", "i7"} & set(row.recent_ids)
    assert drawn(SlateQuery(count=1, leave_out=leave_out), row) & {"i3", "i5", "i7"} == left
    assert drawn(SlateQuery(count=1, leave_out=()), row) >= {"i3", "i5", "i7"}


def test_more_than_a_row_lists_and_keeps_is_forgotten_oldest_first() -> None:
    """A row stays bounded: 64 items in full, and eight bytes for each of 1,024 more."""
    row = user_row(liked=())
    for number in range(RECENT + OLDER_ITEMS + 5):
        row.engage(f"i{number}", 1000.0 + number, [1.0, np.nan, np.nan])
    assert row.older_N.nbytes == 8 * OLDER_ITEMS
    assert drawn(SlateQuery(count=1), row) == {f"i{number}" for number in range(5)}
    assert int(row.older_N[0] >> np.uint64(32)) == id_hash("i5")
