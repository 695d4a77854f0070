"""Audiences: what an item remembers of its users, and which items are alike to the same people."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.assembly.assemble import assemble
from feature_repo.audience import Audience, affinities, audience_of, remember
from feature_repo.decoded_event import FORGET
from feature_repo.items.table import ItemTable
from feature_repo.rows import ItemRow, UserRow
from feature_repo.vocabulary import AUDIENCE
from tests.feature_repo.worlds import LIKE, VOCABULARY, at_offset, event, fold_over, table_of
from training.history import HistoryFold

NAN = float("nan")


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 1)), unique_by=lambda one: one, max_size=12).flatmap(st.permutations))
def test_the_order_of_arrival_does_not_matter(acts: list[tuple[int, int]]) -> None:
    """Whoever acted is there once, in order of time, with the later label, however late some actions come."""
    timed = [(alias, float(10 * alias + label), float(label)) for alias, label in acts]
    rows = []
    for arrived in (timed, sorted(timed, key=lambda one: one[1])):
        audience_AC = np.empty((0, 3))
        for alias, at, label in arrived:
            audience_AC = remember(audience_AC, alias, at, [label])
        rows.append(audience_AC)
    np.testing.assert_array_equal(rows[0], rows[1])
    assert sorted(rows[0][:, 0]) == sorted({alias for alias, _ in acts})


def test_an_unknown_label_leaves_the_known_one() -> None:
    """A user who rated and then read has both labels."""
    audience_AC = remember(np.empty((0, 4)), 7, 1.0, [0.5, NAN])
    assert remember(audience_AC, 7, 2.0, [NAN, 3.0]).tolist() == [[7.0, 2.0, 0.5, 3.0]]


def test_the_user_of_the_longest_ago_makes_room() -> None:
    """An item's row is bounded."""
    audience_AC = np.empty((0, 3))
    for alias in range(AUDIENCE + 2):
        audience_AC = remember(audience_AC, alias, float(alias), [1.0])
    assert audience_AC[:, 0].tolist() == list(range(2, AUDIENCE + 2))


def test_opinions_are_labels_beyond_the_mean_shrunk_by_how_few_they_are() -> None:
    """Two users, labels 1 and 0, mean one half: cosines are 2 / (2 + 20) of what they would be with many users."""
    audience = audience_of(np.array([[1.0, 10.0, 1.0], [65_538.0, 11.0, 0.0]]), np.array([[0.0, 2.0], [0.0, 1.0]]))
    assert audience.places_A.tolist() == [1, 2]
    np.testing.assert_allclose(audience.opinions_TA @ audience.opinions_TA.T, 2 / 22, rtol=1e-3)
    assert audience.opinions_TA[0, 0] == -audience.opinions_TA[0, 1] > 0.0


def test_affinity_is_the_sum_of_cosines_times_residuals() -> None:
    """By hand: users 1 and 2 think 0.6 and 0.8 of the candidate, 1.0 and -1.0 of two items that the user gave +2 and -1."""
    found = affinities(
        np.array([[1, 2]], dtype=np.uint16),
        np.array([[[0.6, 0.8]]], dtype=np.float32),
        np.array([[1, 9], [2, 9]], dtype=np.uint16),
        np.array([[[1.0, 0.0]], [[-1.0, 0.0]]], dtype=np.float32),
        np.array([[2.0], [-1.0]]),
    )
    assert found[0, 0] == pytest.approx(2.0 * 0.6 * 1.0 + -1.0 * 0.8 * -1.0)


def test_what_like_minded_people_like_has_an_affinity() -> None:
    """Users who like i0 like i2 and dislike i3; a new user who likes i0 and dislikes i1 is drawn to i2, not to i3."""
    run = HistoryFold(table_of())
    opinions = {"i0": 5.0, "i1": 1.0, "i2": 5.0, "i3": 1.0}
    number = 0
    for user in range(20):
        turned = user % 2 == 1  # half of the people think the opposite of all four
        for item_id, stars in opinions.items():
            number += 1
            value = 6.0 - stars if turned else stars
            run.fold(event("rate", item_id, 1000.0 + number, value, user_id=f"u{user}", event_id=f"e{number}"))
    for item_id in ("i0", "i1"):
        number += 1
        run.fold(event("rate", item_id, 1000.0 + number, opinions[item_id], user_id="new", event_id=f"e{number}"))
    made = assemble(run.user("new"), run.table, run.table.rows(["i2", "i3", "nowhere"]), 2000.0)
    liked, disliked, unknown = made.x_BF[:, VOCABULARY.features.index("like:audience_affinity")]
    assert liked > 0.1 > -0.1 > disliked
    assert unknown == 0.0


def test_an_item_remembers_who_acted_and_not_who_only_saw_it() -> None:
    """An impression without an action is no opinion; a dislike is one, though its label is 0."""
    run = HistoryFold(table_of())
    run.fold(event("impression", event_id="shown"))
    run.fold(event("rate", "i0", 1001.0, 1.0, event_id="disliked"))
    audience_AC = run.items["i0"].audience_AC
    assert len(audience_AC) == 1
    assert audience_AC[0, 2 + LIKE] == 0.0
    assert run.items["i0"].erase(2000.0)
    assert not len(run.items["i0"].audience_AC)


def test_who_is_forgotten_comes_back_under_another_alias() -> None:
    """What items remember cannot be linked to the user any more."""
    fold, row = fold_over(table_of()), UserRow.empty("u", VOCABULARY)
    first = fold.fold(row, event("click", event_id="a"), at_offset(0)).action
    fold.fold(row, event(FORGET, "", 1001.0, event_id="b"), at_offset(1))
    assert row.alias == 0
    again = fold.fold(row, event("click", at=1002.0, event_id="c"), at_offset(2)).action
    assert first is not None
    assert again is not None
    assert first.alias != again.alias


def test_a_shorter_audience_leaves_nothing_of_the_longer_one_before() -> None:
    """The table's arrays are of fixed width."""
    table = ItemTable(VOCABULARY, dimensions=2)
    counters_CH = ItemRow.empty("i", VOCABULARY).counters_CH
    for size in (3, 1):
        audience = Audience(places_A=np.arange(size, dtype=np.uint16), opinions_TA=np.ones((3, size), dtype=np.float32))
        table.set_activity("i", 1.0, counters_CH, audience)
    assert table.opinions[0].sum() == 3.0
    table.clear_activity("i")
    assert table.opinions[0].sum() == 0.0
