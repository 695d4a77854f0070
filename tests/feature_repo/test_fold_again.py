"""Folding what comes twice, late, again after a restart or after an erasure request: it counts once, and in its time."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.decoded_event import FORGET, IMPRESSION, DecodedEvent
from feature_repo.fold import ALLOWED_LATENESS, fold_item
from feature_repo.rows import ItemRow, UserRow
from headwater.internal.v1.streams_pb2 import Example, ItemAction
from tests.feature_repo.worlds import (
    CLICK,
    LIKE,
    VOCABULARY,
    assert_equal_rows,
    at_offset,
    event,
    fold_all,
    fold_over,
    histories,
    table_of,
)


def _expired(row: UserRow) -> list[Example]:
    """What nobody can label any more teaches after all."""
    return [Example.FromString(settled.to_bytes()) for settled in fold_over(table_of()).expire(row, 1e12)]


@given(histories(), st.data())
def test_redelivery_from_any_earlier_offset_changes_nothing(events: list[DecodedEvent], data: st.DataObject) -> None:
    """A worker that restarts and reads part of the log again ends with the same row and teaches nothing twice."""
    numbered = list(enumerate(events))
    clean_row, clean_examples, clean_actions = fold_all(numbered)
    crash = data.draw(st.integers(0, len(numbered)))
    again = data.draw(st.integers(0, crash))
    row, examples, actions = fold_all(numbered[:crash] + numbered[again:])
    assert_equal_rows(clean_row, row)
    assert [example.SerializeToString() for example in clean_examples] == [example.SerializeToString() for example in examples]
    assert len(actions) == len(clean_actions)


@given(histories(), st.data())
def test_repeat_of_an_event_by_its_producer_counts_once(events: list[DecodedEvent], data: st.DataObject) -> None:
    """The same event id again, under a new offset, changes no count and yields no example."""
    clean_row, clean_examples, _ = fold_all(list(enumerate(events)))
    repeated: list[DecodedEvent] = []
    for number, decoded in enumerate(events):
        repeated.append(decoded)
        repeated += [events[data.draw(st.integers(0, number))]] if data.draw(st.booleans()) else []
    row, examples, _ = fold_all(list(enumerate(repeated)))
    assert_equal_rows(clean_row, row)
    assert len(examples) == len(clean_examples)


def test_recreated_log_starts_again_without_hiding_events() -> None:
    """Offsets from 0 of a topic with another id are new events, not redelivered ones."""
    fold, row = fold_over(table_of()), UserRow.empty("u", VOCABULARY)
    fold.fold(row, event("click", at=1000.0), at_offset(50))
    assert not fold.fold(row, event("click", at=2000.0), at_offset(0, log=2)).duplicate
    assert fold.fold(row, event("click", at=2001.0), at_offset(0, log=2)).duplicate


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[DecodedEvent], list[DecodedEvent]]:
    """One user's events in the order of their times and as they arrive, none later than allowed; one of a kind for an item."""
    events: dict[tuple[str, str], DecodedEvent] = {}
    for number, one in enumerate(draw(histories(max_size=24))):
        if one.kind != FORGET:
            events.setdefault((one.item_id, one.kind), dataclasses.replace(one, at=one.at + number))
    in_time = list(events.values())
    delays = [draw(st.integers(0, int(ALLOWED_LATENESS) - 1)) for _ in in_time]
    order = sorted(range(len(in_time)), key=lambda at: in_time[at].at + delays[at])
    return in_time, [in_time[at] for at in order]


@given(arrivals(), st.data())
def test_late_arrivals_duplicates_and_redelivery_change_no_row(
    streams: tuple[list[DecodedEvent], list[DecodedEvent]], data: st.DataObject
) -> None:
    """Rows and examples follow event time: only by how much an observation has aged may they differ, a minute at most."""
    in_time, arrived = streams
    sent = [one for one in arrived for _ in range(data.draw(st.integers(1, 2)))]
    crash = data.draw(st.integers(0, len(sent)))
    numbered = list(enumerate(sent))
    row, examples, _ = fold_all(numbered[:crash] + numbered[data.draw(st.integers(0, crash)) :])
    clean, clean_examples, _ = fold_all(list(enumerate(in_time)))
    np.testing.assert_allclose(row.counters_CH[:, -1], clean.counters_CH[:, -1])
    np.testing.assert_allclose(row.counters_CH, clean.counters_CH, rtol=0.08)
    assert (row.first_at, row.updated_at) == (clean.first_at, clean.updated_at)
    assert row.recent_ids == clean.recent_ids
    np.testing.assert_array_equal(row.recent_R, clean.recent_R)
    taught, clean_taught = (
        Counter((example.item_id, repr(example.labels)) for example in [*found, *_expired(of)])
        for found, of in ((examples, row), (clean_examples, clean))
    )
    assert taught == clean_taught


def test_an_impression_that_comes_behind_its_click_is_a_positive_and_no_second_observation() -> None:
    """The server writes impressions behind its answers: a quick click may overtake one."""
    shown, click = event(IMPRESSION, at=1000.0), event("click", at=1001.0)
    _, examples, actions = fold_all([(0, click), (1, shown), (2, event("hide", "i9", 5000.0))])
    assert [example.labels[CLICK] for example in examples] == [1.0]
    assert [sum(action.observations[CLICK] for action in actions), sum(action.label_sums[CLICK] for action in actions)] == [1, 1]


def test_an_action_later_than_allowed_finds_its_impression_settled() -> None:
    """The rule for what comes too late: it counts where it can, and teaches nothing that contradicts what was taught."""
    late = [event(IMPRESSION, at=1000.0), event("hide", "i9", 1000.0 + 600.0 + ALLOWED_LATENESS), event("click", at=1010.0)]
    row, examples, _ = fold_all(list(enumerate(late)))
    assert [example.labels[CLICK] for example in examples] == [0.0]
    assert row.recent_ids == ["i9", "i0"]


def test_of_two_ratings_the_later_one_stays_whichever_arrived_first() -> None:
    """An item's label in the history is that of its latest event."""
    first, second = event("rate", at=1000.0, value=1.0), event("rate", at=1001.0, value=5.0)
    for order in ([first, second], [second, first]):
        row, _, _ = fold_all(list(enumerate(order)))
        assert row.recent_R[0, 1 + LIKE] == 1.0


def test_who_asks_to_be_forgotten_is_unknown_again_and_leaves_no_example() -> None:
    """What awaited a label teaches nothing, and the row says what it held."""
    row, examples, _ = fold_all([(0, event(IMPRESSION)), (1, event("click", "i1", 1001.0)), (2, event(FORGET, "", 1002.0))])
    assert_equal_rows(row, UserRow.empty("u", VOCABULARY))
    assert not row.seen
    assert examples == []
    assert row.erasure is not None
    assert (row.erasure.events, row.erasure.engagements, row.erasure.awaiting_impressions) == (2, 1, 1)


@given(histories(max_size=12), histories(max_size=12))
def test_only_what_occurred_after_the_wish_counts(before: list[DecodedEvent], after: list[DecodedEvent]) -> None:
    """Older events are not counted whenever they come; later ones begin a user who is like one never seen before."""
    old = [dataclasses.replace(one, event_id=f"old-{one.event_id}") for one in before]
    wished_at = max([one.at for one in old], default=1000.0)
    new = [dataclasses.replace(one, at=wished_at + 1.0 + number) for number, one in enumerate(after)]
    wish = event(FORGET, "", wished_at, event_id="wish")
    replayed = [one for pair in itertools.zip_longest(new, old) for one in pair if one is not None]
    row, _, _ = fold_all(list(enumerate([*old, wish, *replayed])))
    clean, _, _ = fold_all(list(enumerate(new)))
    assert_equal_rows(row, clean)


def test_a_wish_repeated_does_not_erase_the_new_user() -> None:
    """The same request again, or an older one, finds its work done."""
    wish, late = event(FORGET, "", 1000.0, event_id="w"), event(FORGET, "", 999.0, event_id="v")
    row, _, _ = fold_all([(0, event("click", at=900.0)), (1, wish), (2, event("click", "i1", 1001.0)), (3, wish), (4, late)])
    assert row.recent_ids == ["i1"]
    assert row.erasure is not None
    assert row.erasure.events == 1


def test_item_row_counts_each_source_record_once() -> None:
    """An item hears of many partitions; each one's redelivered actions are recognised by that partition's own offset."""
    row = ItemRow.empty("i0", VOCABULARY)

    def action(partition: int, offset: int) -> ItemAction:
        source = at_offset(offset, partition=partition)
        return ItemAction(
            item_id="i0", source=source, occurred_at=10.0, impression=True, observations=[1, 0, 0], label_sums=[0, 0, 0]
        )

    assert [fold_item(row, action(*where)) for where in [(0, 5), (1, 2), (0, 5), (0, 4), (1, 3)]] == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert row.counters_CH[0, -1] == 3.0
    assert row.offsets == {0: 5, 1: 3}


def test_a_deleted_item_counts_only_what_came_after() -> None:
    """Its deletion erases the row, redelivered or repeated it erases nothing more, and older actions stay out."""
    row = ItemRow.empty("i0", VOCABULARY)

    def shown(offset: int, at: float) -> ItemAction:
        return ItemAction(
            item_id="i0",
            source=at_offset(offset),
            occurred_at=at,
            impression=True,
            observations=[1, 0, 0],
            label_sums=[0, 0, 0],
        )

    deleted = ItemAction(item_id="i0", occurred_at=20.0, deleted=True)
    log = [shown(0, 10.0), deleted, shown(1, 15.0), shown(2, 30.0), deleted, shown(2, 30.0)]
    assert [fold_item(row, action) for action in log] == [True, True, False, True, False, False]
    assert row.counters_CH[0, -1] == 1.0
    assert row.first_at == 30.0
