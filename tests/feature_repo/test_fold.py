"""Folding one user's events: counts, labels, and that redelivery and repeats change nothing."""

import dataclasses
import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.fold import ALLOWED_LATENESS, fold_item
from feature_repo.occurrence import FORGET, IMPRESSION, Occurrence, Served
from feature_repo.rows import MAX_PENDING, ItemRow, UserRow
from feature_repo.vocabulary import RECENT
from protos.streams_pb2 import Example, ItemAction
from tests.feature_repo.worlds import CLICK, DWELL, LIKE, VOCABULARY, at_offset, event, fold_over, histories, table_of


def run(events: list[tuple[int, Occurrence]]) -> tuple[UserRow, list[Example], list[ItemAction]]:
    """Folds (offset, event) pairs into one row."""
    fold, row = fold_over(table_of()), UserRow.empty("u", VOCABULARY)
    examples, actions = [], []
    for offset, occurrence in events:
        folded = fold.fold(row, occurrence, at_offset(offset))
        examples += [Example.FromString(example) for example in folded.examples]
        actions += [folded.action] if folded.action else []
    return row, examples, actions


def _expired(row: UserRow) -> list[Example]:
    """What nobody can label any more teaches after all."""
    return [Example.FromString(settled.to_bytes()) for settled in fold_over(table_of()).expire(row, 1e12)]


def assert_equal_rows(one: UserRow, other: UserRow) -> None:
    np.testing.assert_array_equal(one.counters_CH, other.counters_CH)
    np.testing.assert_array_equal(one.recent_R, other.recent_R)
    np.testing.assert_array_equal(one.label_times_RT, other.label_times_RT)
    assert [waiting.SerializeToString() for waiting in one.unmatched] == [late.SerializeToString() for late in other.unmatched]
    assert one.recent_ids == other.recent_ids
    assert (one.first_at, one.updated_at) == (other.first_at, other.updated_at)
    assert [waiting.to_bytes() for waiting in one.pending] == [waiting.to_bytes() for waiting in other.pending]


def test_click_after_impression_labels_the_impression_with_the_features_it_was_shown_with() -> None:
    """The joined example is positive, and its features are those of before either event."""
    _, examples, _ = run([(0, event(IMPRESSION)), (1, event("click", at=1010.0))])
    assert len(examples) == 1
    assert examples[0].labels[CLICK] == 1.0
    assert math.isnan(examples[0].labels[DWELL])
    assert (examples[0].shown_at, examples[0].labelled_at) == (1000.0, 1010.0)
    assert examples[0].features[VOCABULARY.features.index("user_known")] == 0.0


def test_impression_without_a_click_becomes_negative_after_its_window() -> None:
    """The next event of the user that lies past the window, and the allowed lateness, settles the click task only."""
    over = 1600.0 + ALLOWED_LATENESS
    _, early, _ = run([(0, event(IMPRESSION)), (1, event(IMPRESSION, "i1", over - 1.0))])
    assert early == []
    _, examples, _ = run([(0, event(IMPRESSION)), (1, event(IMPRESSION, "i1", over))])
    assert [(example.item_id, example.labels[CLICK]) for example in examples] == [("i0", 0.0)]
    assert math.isnan(examples[0].labels[LIKE])


def test_explicit_label_needs_no_impression_and_no_window() -> None:
    """A rating teaches at once, both ways, whether or not the item was seen to be shown."""
    _, examples, _ = run([(0, event("rate", value=2.0)), (1, event("rate", "i1", value=5.0))])
    assert [example.labels[LIKE] for example in examples] == [0.0, 1.0]


def test_duration_is_learned_on_log_seconds() -> None:
    """A read of 99 seconds is labelled log(100)."""
    _, examples, _ = run([(0, event("read", value=99.0))])
    assert examples[0].labels[DWELL] == pytest.approx(math.log(100.0))


def test_a_read_whose_end_was_not_seen_teaches_a_bound_and_counts_in_no_mean() -> None:
    """It is an engagement with the item, but no label; a whole read of the same impression may still bring that."""
    cut = dataclasses.replace(event("read", at=1010.0, value=99.0), censored=True)
    row, examples, actions = run([(0, event(IMPRESSION)), (1, cut), (2, event("read", at=1020.0, value=199.0))])
    first, second = examples
    assert math.isnan(first.labels[DWELL])
    assert first.lower_bounds[DWELL] == pytest.approx(math.log(100.0))
    assert all(math.isnan(first.lower_bounds[at]) for at in (CLICK, LIKE))
    assert second.labels[DWELL] == pytest.approx(math.log(200.0))
    assert not second.lower_bounds
    assert [action.observations[DWELL] for action in actions] == [0.0, 0.0, 1.0]
    assert row.recent_ids == ["i0"]
    alone, _, _ = run([(0, cut)])
    assert (alone.recent_ids, math.isnan(alone.recent_R[0, 1 + DWELL])) == (["i0"], True)


def test_click_without_impression_counts_but_teaches_no_rate() -> None:
    """Positives that have no negatives beside them would teach that everything is clicked."""
    row, examples, actions = run([(0, event("click"))])
    assert examples == []
    assert list(actions[0].observations)[CLICK] == list(actions[0].label_sums)[CLICK] == 1.0
    assert row.recent_ids == ["i0"]


def test_second_click_on_one_impression_is_one_positive() -> None:
    """The rate of an item never exceeds one."""
    _, examples, actions = run([(0, event(IMPRESSION)), (1, event("click", at=1010.0)), (2, event("click", at=1020.0))])
    assert len(examples) == 1
    assert sum(action.observations[CLICK] for action in actions) == sum(action.label_sums[CLICK] for action in actions) == 1.0


def test_action_of_another_recommendation_does_not_label_the_impression() -> None:
    """Where an action names its recommendation, only that one's impression is meant."""
    shown = event(IMPRESSION, recommendation_id="a")
    _, examples, _ = run([(0, shown), (1, event("click", at=1010.0, recommendation_id="b"))])
    assert examples == []


def test_features_as_served_are_kept_to_the_bit() -> None:
    """An impression that carries the server's values is learned from with exactly these."""
    values = (np.arange(len(VOCABULARY.features)) / 7).astype(np.float32)
    served = Served(
        fingerprint=VOCABULARY.fingerprint, features=values, history_item_ids=(), history_values=np.empty(0, dtype=np.float32)
    )
    shown = Occurrence(event_id="s", user_id="u", item_id="i0", at=1000.0, kind=IMPRESSION, served=served)
    _, examples, _ = run([(0, shown), (1, event("click", at=1001.0))])
    assert np.array_equal(np.array(examples[0].features, dtype=np.float32), values)


def test_features_of_another_vocabulary_are_made_anew() -> None:
    """Values whose names and order are not ours cannot be learned from."""
    served = Served(
        fingerprint=1,
        features=np.array([9.0], dtype=np.float32),
        history_item_ids=(),
        history_values=np.empty(0, dtype=np.float32),
    )
    shown = Occurrence(event_id="s", user_id="u", item_id="i0", at=1000.0, kind=IMPRESSION, served=served)
    _, examples, _ = run([(0, shown), (1, event("click", at=1001.0))])
    assert len(examples[0].features) == len(VOCABULARY.features)


def test_what_a_row_keeps_is_bounded() -> None:
    """However much a user sees and does, the row stays small, and what is pushed out is settled, not lost."""
    shown = [(number, event(IMPRESSION, f"i{number}", 1000.0)) for number in range(MAX_PENDING + 5)]
    row, examples, _ = run(shown)
    assert len(row.pending) <= MAX_PENDING + 1
    assert [example.labels[CLICK] for example in examples] == [0.0] * 4
    done = [(number, event("click", f"i{number}", 1000.0 + number)) for number in range(RECENT + 5)]
    row, _, _ = run(done)
    assert len(row.recent_ids) == len(row.recent_R) == RECENT
    assert row.recent_ids[0] == f"i{RECENT + 4}"


@given(histories(), st.data())
def test_redelivery_from_any_earlier_offset_changes_nothing(events: list[Occurrence], data: st.DataObject) -> None:
    """A worker that restarts and reads part of the log again ends with the same row and teaches nothing twice."""
    numbered = list(enumerate(events))
    clean_row, clean_examples, clean_actions = run(numbered)
    crash = data.draw(st.integers(0, len(numbered)))
    again = data.draw(st.integers(0, crash))
    row, examples, actions = run(numbered[:crash] + numbered[again:])
    assert_equal_rows(clean_row, row)
    assert [example.SerializeToString() for example in clean_examples] == [example.SerializeToString() for example in examples]
    assert len(actions) == len(clean_actions)


@given(histories(), st.data())
def test_repeat_of_an_event_by_its_producer_counts_once(events: list[Occurrence], data: st.DataObject) -> None:
    """The same event id again, under a new offset, changes no count and yields no example."""
    clean_row, clean_examples, _ = run(list(enumerate(events)))
    repeated: list[Occurrence] = []
    for number, occurrence in enumerate(events):
        repeated.append(occurrence)
        repeated += [events[data.draw(st.integers(0, number))]] if data.draw(st.booleans()) else []
    row, examples, _ = run(list(enumerate(repeated)))
    assert_equal_rows(clean_row, row)
    assert len(examples) == len(clean_examples)


def test_recreated_log_starts_again_without_hiding_events() -> None:
    """Offsets from 0 of a topic with another id are new events, not redelivered ones."""
    fold, row = fold_over(table_of()), UserRow.empty("u", VOCABULARY)
    fold.fold(row, event("click", at=1000.0), at_offset(50))
    assert not fold.fold(row, event("click", at=2000.0), at_offset(0, log=2)).duplicate
    assert fold.fold(row, event("click", at=2001.0), at_offset(0, log=2)).duplicate


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Occurrence], list[Occurrence]]:
    """One user's events in the order of their times and as they arrive, none later than allowed; one of a kind for an item."""
    events: dict[tuple[str, str], Occurrence] = {}
    for number, one in enumerate(draw(histories(max_size=24))):
        if one.kind != FORGET:
            events.setdefault((one.item_id, one.kind), dataclasses.replace(one, at=one.at + number))
    in_time = list(events.values())
    delays = [draw(st.integers(0, int(ALLOWED_LATENESS) - 1)) for _ in in_time]
    order = sorted(range(len(in_time)), key=lambda at: in_time[at].at + delays[at])
    return in_time, [in_time[at] for at in order]


@given(arrivals(), st.data())
def test_late_arrivals_duplicates_and_redelivery_change_no_row(
    streams: tuple[list[Occurrence], list[Occurrence]], data: st.DataObject
) -> None:
    """Rows and examples follow event time: only by how much an observation has aged may they differ, a minute at most."""
    in_time, arrived = streams
    sent = [one for one in arrived for _ in range(data.draw(st.integers(1, 2)))]
    crash = data.draw(st.integers(0, len(sent)))
    numbered = list(enumerate(sent))
    row, examples, _ = run(numbered[:crash] + numbered[data.draw(st.integers(0, crash)) :])
    clean, clean_examples, _ = run(list(enumerate(in_time)))
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
    _, examples, actions = run([(0, click), (1, shown), (2, event("hide", "i9", 5000.0))])
    assert [example.labels[CLICK] for example in examples] == [1.0]
    assert [sum(action.observations[CLICK] for action in actions), sum(action.label_sums[CLICK] for action in actions)] == [1, 1]


def test_an_action_later_than_allowed_finds_its_impression_settled() -> None:
    """The rule for what comes too late: it counts where it can, and teaches nothing that contradicts what was taught."""
    late = [event(IMPRESSION, at=1000.0), event("hide", "i9", 1000.0 + 600.0 + ALLOWED_LATENESS), event("click", at=1010.0)]
    row, examples, _ = run(list(enumerate(late)))
    assert [example.labels[CLICK] for example in examples] == [0.0]
    assert row.recent_ids == ["i9", "i0"]


def test_of_two_ratings_the_later_one_stays_whichever_arrived_first() -> None:
    """An item's label in the history is that of its latest event."""
    first, second = event("rate", at=1000.0, value=1.0), event("rate", at=1001.0, value=5.0)
    for order in ([first, second], [second, first]):
        row, _, _ = run(list(enumerate(order)))
        assert row.recent_R[0, 1 + LIKE] == 1.0


def test_who_asks_to_be_forgotten_is_unknown_again_and_leaves_no_example() -> None:
    """What awaited a label teaches nothing, and the row says what it held."""
    row, examples, _ = run([(0, event(IMPRESSION)), (1, event("click", "i1", 1001.0)), (2, event(FORGET, "", 1002.0))])
    assert_equal_rows(row, UserRow.empty("u", VOCABULARY))
    assert not row.seen
    assert examples == []
    assert row.erasure is not None
    assert (row.erasure.events, row.erasure.engagements, row.erasure.awaiting_impressions) == (2, 1, 1)


@given(histories(max_size=12), histories(max_size=12))
def test_only_what_occurred_after_the_wish_counts(before: list[Occurrence], after: list[Occurrence]) -> None:
    """Older events are barred whenever they come; later ones begin a user who is like one never seen before."""
    old = [dataclasses.replace(one, event_id=f"old-{one.event_id}") for one in before]
    wished_at = max([one.at for one in old], default=1000.0)
    new = [dataclasses.replace(one, at=wished_at + 1.0 + number) for number, one in enumerate(after)]
    wish = event(FORGET, "", wished_at, event_id="wish")
    replayed = [one for pair in itertools.zip_longest(new, old) for one in pair if one is not None]
    row, _, _ = run(list(enumerate([*old, wish, *replayed])))
    clean, _, _ = run(list(enumerate(new)))
    assert_equal_rows(row, clean)


def test_a_wish_repeated_does_not_erase_the_new_user() -> None:
    """The same request again, or an older one, finds its work done."""
    wish, late = event(FORGET, "", 1000.0, event_id="w"), event(FORGET, "", 999.0, event_id="v")
    row, _, _ = run([(0, event("click", at=900.0)), (1, wish), (2, event("click", "i1", 1001.0)), (3, wish), (4, late)])
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
