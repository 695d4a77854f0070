"""Assembly of model inputs: fresh at read, equal for one item or many, whole for unknown ones."""

import numpy as np

from feature_repo.assembly.assemble import assemble
from feature_repo.items.table import type_signs
from feature_repo.rows import UserRow
from feature_repo.vocabulary import HISTORY, TYPE_BITS
from headwater.v1.catalogue_pb2 import Item
from tests.feature_repo.worlds import VOCABULARY, at_offset, event, fold_over, table_of

NAMES = VOCABULARY.features


def busy_row() -> UserRow:
    fold, row = fold_over(table_of()), UserRow.empty("u", VOCABULARY)
    for number in range(6):
        fold.fold(row, event("rate", f"i{number}", 1000.0 + number, 5.0 if number % 2 == 0 else 1.0), at_offset(number))
    return row


def test_candidates_score_alone_as_they_do_together() -> None:
    """A candidate's features do not depend on what else is asked for."""
    table, row = table_of(), busy_row()
    together = assemble(row, table, table.rows([f"i{number}" for number in range(8)]), 2000.0).x_BF
    for number in range(8):
        np.testing.assert_allclose(together[number], assemble(row, table, table.rows([f"i{number}"]), 2000.0).x_BF[0], rtol=1e-5)


def test_affinity_follows_the_categories_that_the_user_likes() -> None:
    """A user who likes even items and not odd ones has a higher affinity to an unseen even one."""
    table, row = table_of(), busy_row()
    even, odd = assemble(row, table, table.rows(["i6", "i7"]), 2000.0).x_BF[:, NAMES.index("like:category_affinity")]
    assert even > 0.0 > odd


def test_a_silent_user_ages() -> None:
    """The same row read later has less of a session and more silence."""
    table, row = table_of(), busy_row()
    soon, late = (assemble(row, table, table.rows(["i6"]), at).x_BF[0] for at in (1010.0, 90_000.0))
    assert late[NAMES.index("user_session_log")] < soon[NAMES.index("user_session_log")]
    assert late[NAMES.index("user_silence_log")] > soon[NAMES.index("user_silence_log")]


def test_unknown_item_and_unknown_user_get_priors_that_say_so() -> None:
    """Nothing known is finite and marked, never silently an item's."""
    table = table_of()
    counters = np.zeros((len(VOCABULARY.counters), 4))
    counters[2:] = 3.0
    table.set_activity("i7", 10.0, counters)  # the last row, which -1 would index
    made = assemble(UserRow.empty("new", VOCABULARY), table, table.rows(["nowhere"]), 2000.0)
    named = dict(zip(NAMES, made.x_BF[0].tolist(), strict=True))
    assert np.isfinite(made.x_BF).all()
    assert named["item_known"] == named["user_known"] == 0.0
    assert named["like:item_count_log"] == 0.0
    np.testing.assert_allclose(named["like:item_mean"], table.priors()[2], rtol=1e-6)
    assert made.history_values_NT1.shape == (0, 4)


def test_types_of_items_are_told_apart() -> None:
    """A page of articles, videos and ads: each type has bits of its own, the same in every process; an unknown item has none."""
    table, places = table_of(), [NAMES.index(f"item_type_{bit}") for bit in range(TYPE_BITS)]
    for item_id, item_type in (("i1", "article"), ("i2", "video"), ("i3", "article"), ("i4", "ad")):
        table.set_content(Item(item_id=item_id, type=item_type), None)
    items = table.rows(["i1", "i2", "i3", "i4", "nowhere"])
    article, video, other, ad, unknown = assemble(busy_row(), table, items, 2000.0).x_BF[:, places].tolist()
    assert article == other == type_signs("article").tolist()
    assert len({tuple(bits) for bits in (article, video, ad)}) == 3
    assert unknown == [0.0] * TYPE_BITS


def test_own_label_does_not_hide_in_the_items_mean() -> None:
    """A residual is taken against what others gave: one user's lone dislike of an item is a full one."""
    table, row = table_of(), busy_row()
    counters = np.zeros((len(VOCABULARY.counters), 4))
    counters[2 + 2], counters[5 + 2] = 1.0, 0.0  # one observation of like, and it is this user's 0
    table.set_activity("i5", 1005.0, counters)
    history = assemble(row, table, table.rows(["i6"]), 2000.0).history_values_NT1
    assert row.recent_ids[0] == "i5"
    np.testing.assert_allclose(history[0, 2], 0.0 - table.priors()[2], rtol=1e-5)


def test_history_is_bounded_and_most_recent_first() -> None:
    """The model sees the newest engagements, ages increasing."""
    table, fold, row = table_of(40), fold_over(table_of(40)), UserRow.empty("u", VOCABULARY)
    for number in range(40):
        fold.fold(row, event("click", f"i{number}", 1000.0 + number), at_offset(number))
    made = assemble(row, table, table.rows(["i0"]), 2000.0)
    assert len(made.history_rows_N) == HISTORY
    assert made.history_rows_N[0] == table.index["i39"]
    assert (np.diff(made.history_values_NT1[:, -1]) >= 0).all()
