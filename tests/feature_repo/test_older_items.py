"""Items acted on long ago: what is kept of them, through encoding, a repeat and an erasure."""

import numpy as np

from feature_repo.codec import decode_user, encode_user
from feature_repo.older_items import id_hash, matching, remember
from feature_repo.rows import UserRow
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import RECENT, Vocabulary
from headwater.internal.v1.streams_pb2 import SourcePosition

VOCABULARY = Vocabulary(
    parse_tasks('[tasks.click]\nkind = "binary"\nevent = "click"\n[tasks.buy]\nkind = "binary"\nevent = "purchase"\n')
)
DAY = 86_400.0
NOTHING = float("nan")


def heavy(count: int) -> UserRow:
    """A user who clicked so many items, an hour apart."""
    row = UserRow.empty("u", VOCABULARY)
    for number in range(count):
        row.engage(f"i{number}", 3600.0 * number, [1.0, NOTHING])
    return row


def test_an_item_acted_on_again_is_known_by_all_its_tasks_and_its_last_day() -> None:
    """Bought once, clicked later: left out as bought for as long as the click says."""
    older_N = remember(np.empty(0, dtype=np.uint64), "tea", 3 * DAY, [NOTHING, 1.0])
    older_N = remember(older_N, "tea", 9 * DAY + 5.0, [1.0, NOTHING])
    assert len(older_N) == 1
    assert matching(older_N, since=9 * DAY).tolist() == [id_hash("tea")]
    assert matching(older_N, since=9 * DAY, task=1).tolist() == [id_hash("tea")]
    assert matching(older_N, since=10 * DAY).tolist() == []


def test_a_row_comes_back_as_it_was_written_and_one_of_an_earlier_release_without_them() -> None:
    """Eight bytes an item."""
    row = heavy(RECENT + 40)
    values = encode_user(row, VOCABULARY)
    assert len(values["older_items"].bytes_val) == 8 * 40
    again = decode_user("u", values, VOCABULARY)
    np.testing.assert_array_equal(again.older_N, row.older_N)
    assert encode_user(again, VOCABULARY) == values
    del values["older_items"]
    assert len(decode_user("u", values, VOCABULARY).older_N) == 0


def test_the_order_of_events_within_a_row_does_not_matter_to_what_is_kept() -> None:
    """An event that comes late behind more recent items than the row lists goes to the older ones at once."""
    row = heavy(RECENT)
    row.engage("late", -5 * DAY, [NOTHING, 1.0])
    assert len(row.recent_ids) == RECENT
    assert matching(row.older_N, since=-np.inf, task=1).tolist() == [id_hash("late")]


def test_an_erased_user_has_no_older_items() -> None:
    """They count among what was erased."""
    row = heavy(RECENT + 3)
    row.erase("e", SourcePosition(), 1e9)
    assert row.erasure is not None
    assert (len(row.older_N), row.erasure.engagements) == (0, RECENT + 3)
