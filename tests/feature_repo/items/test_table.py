"""The item table: priors, growth, deletion, and vectors of another encoder."""

import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from feature_repo.assembly.assemble import assemble
from feature_repo.audience import Audience
from feature_repo.items.table import ItemTable, category_bits
from feature_repo.rows import UserRow
from headwater.v1.catalogue_pb2 import Item
from tests.feature_repo.worlds import LIKE, VOCABULARY, table_of


def counters(observations: float, label_sum: float) -> np.ndarray:
    values = np.zeros((len(VOCABULARY.counters), 4))
    values[2 + LIKE], values[5 + LIKE] = observations, label_sum
    return values


def test_priors_are_the_mean_over_all_items_as_last_written() -> None:
    """Replacing an item's counters replaces its share in the mean."""
    table = table_of()
    table.set_activity("i0", 1.0, counters(99.0, 0.0))
    table.set_activity("i0", 2.0, counters(3.0, 3.0))
    table.set_activity("new", 2.0, counters(6.0, 3.0))
    assert table.priors()[LIKE] == pytest.approx((6.0 + 0.5) / (9.0 + 1.0))


def test_table_grows_and_keeps_row_numbers() -> None:
    """Numbers handed out before stay valid while thousands of items come."""
    table = ItemTable(VOCABULARY, dimensions=2, capacity=1)
    for number in range(1000):
        table.set_content(Item(item_id=f"n{number}"), np.array([number, 0], dtype=np.float32))
    assert table.rows(["n999", "n0", "none"]).tolist() == [999, 0, -1]
    assert table.vectors[999, 0] == 999.0


def test_deleted_item_is_not_live_and_may_come_back() -> None:
    """Deletion takes it out of recommendation, a later upsert puts it in again."""
    table = table_of()
    table.delete("i3")
    assert not table.live[3]
    assert not table.vectors[3].any()
    assert not table.categories[3].any()
    assert not table.types[3].any()
    table.delete("never heard of")
    table.set_content(Item(item_id="i3"), None)
    assert table.live[3]
    assert not table.vectors[3].any()


def test_cleared_activity_leaves_the_priors() -> None:
    """A deleted item's labels are no part of what items usually get."""
    table = table_of()
    before = table.priors()
    table.set_activity("i0", 1.0, counters(99.0, 9.0))
    table.clear_activity("i0")
    table.clear_activity("never heard of")
    assert table.priors() == pytest.approx(before)
    assert "never heard of" not in table.index


def test_vector_of_another_encoder_is_refused() -> None:
    """A width that differs raises an error and is not broadcast."""
    with pytest.raises(ValueError, match="another encoder"):
        table_of().set_content(Item(item_id="i0"), np.zeros(3, dtype=np.float32))


def test_category_overlap_is_a_count_of_bits() -> None:
    """Equal names meet in the same bit, whatever their case."""
    both = category_bits(["Drama", "war"]) & category_bits(["drama", "comedy"])
    assert int(np.bitwise_count(both).sum()) == 1


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads take turns a thousand times as often as they do, so that what can come between two steps does."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


def test_what_belongs_together_is_of_one_moment(frequent_switches: None) -> None:
    """While another thread writes an item in two states in turn, counters are read with their time, opinions with their places.

    In both states the item is to the taste of those who like what the user likes; half of one and half of the other is not.
    """
    table, ended = table_of(), threading.Event()
    quiet, busy = counters(0.0, 0.0), counters(0.0, 0.0)
    quiet[0], busy[0] = 1.0, 100.0
    likes = np.zeros((3, 2), dtype=np.float32)
    likes[LIKE] = 1.0, -1.0
    both, row = np.array([1, 2], dtype=np.uint16), UserRow.empty("u", VOCABULARY)
    table.set_activity("i1", 0.0, quiet, Audience(places_A=both, opinions_TA=likes))
    row.recent_ids, row.recent_R = ["i1"], np.array([[0.0, np.nan, np.nan, 1.0]])
    states = [
        (updated_at, of, Audience(places_A=both[user : user + 1], opinions_TA=likes[:, user : user + 1]))
        for user, (updated_at, of) in enumerate([(1_000.0, quiet), (900_000.0, busy)])
    ]

    def write() -> None:
        while not ended.is_set():
            for state in states:
                table.set_activity("i0", *state)

    columns = [VOCABULARY.features.index(name) for name in ("item_silence_log", "item_impressions_log", "like:audience_affinity")]

    def read() -> tuple[float, ...]:
        return tuple(assemble(row, table, table.rows(["i0"]), 1_000_000.0).x_BF[0, columns].tolist())

    whole = set()
    for state in states:
        table.set_activity("i0", *state)
        whole.add(read())
    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = {read() for _ in range(3000)}
    finally:
        ended.set()
        writer.join()
    assert len(whole) == 2
    assert found == whole
