"""Folding one user's events: what labels an impression, with which features, and what a row keeps."""

import dataclasses
import math

import numpy as np
import pytest

from feature_repo.decoded_event import IMPRESSION, DecodedEvent, Served
from feature_repo.fold import ALLOWED_LATENESS
from feature_repo.pending_impressions import is_labelled
from feature_repo.rows import MAX_PENDING, UserRow
from feature_repo.vocabulary import RECENT
from headwater.internal.v1.streams_pb2 import Example
from tests.feature_repo.worlds import CLICK, DWELL, LIKE, VOCABULARY, at_offset, event, fold_all, fold_over, table_of


def test_click_after_impression_labels_the_impression_with_the_features_it_was_shown_with() -> None:
    """The joined example is positive, and its features are those of before either event."""
    _, examples, _ = fold_all([(0, event(IMPRESSION)), (1, event("click", at=1010.0))])
    assert len(examples) == 1
    assert examples[0].labels[CLICK] == 1.0
    assert math.isnan(examples[0].labels[DWELL])
    assert (examples[0].shown_at, examples[0].labelled_at) == (1000.0, 1010.0)
    assert examples[0].features[VOCABULARY.features.index("user_known")] == 0.0


def test_impression_without_a_click_becomes_negative_after_its_window() -> None:
    """The next event of the user that lies past the window, and the allowed lateness, settles the click task only."""
    over = 1600.0 + ALLOWED_LATENESS
    _, early, _ = fold_all([(0, event(IMPRESSION)), (1, event(IMPRESSION, "i1", over - 1.0))])
    assert early == []
    _, examples, _ = fold_all([(0, event(IMPRESSION)), (1, event(IMPRESSION, "i1", over))])
    assert [(example.item_id, example.labels[CLICK]) for example in examples] == [("i0", 0.0)]
    assert math.isnan(examples[0].labels[LIKE])


def test_explicit_label_needs_no_impression_and_no_window() -> None:
    """A rating teaches at once, both ways, whether or not the item was seen to be shown."""
    _, examples, _ = fold_all([(0, event("rate", value=2.0)), (1, event("rate", "i1", value=5.0))])
    assert [example.labels[LIKE] for example in examples] == [0.0, 1.0]


def test_duration_is_learned_on_log_seconds() -> None:
    """A read of 99 seconds is labelled log(100)."""
    _, examples, _ = fold_all([(0, event("read", value=99.0))])
    assert examples[0].labels[DWELL] == pytest.approx(math.log(100.0))


def test_a_read_whose_end_was_not_seen_teaches_a_bound_and_counts_in_no_mean() -> None:
    """It is an engagement with the item, but no label; a whole read of the same impression may still bring that."""
    cut = dataclasses.replace(event("read", at=1010.0, value=99.0), censored=True)
    row, examples, actions = fold_all([(0, event(IMPRESSION)), (1, cut), (2, event("read", at=1020.0, value=199.0))])
    first, second = examples
    assert math.isnan(first.labels[DWELL])
    assert first.lower_bounds[DWELL] == pytest.approx(math.log(100.0))
    assert all(math.isnan(first.lower_bounds[at]) for at in (CLICK, LIKE))
    assert second.labels[DWELL] == pytest.approx(math.log(200.0))
    assert not second.lower_bounds
    assert [action.observations[DWELL] for action in actions] == [0.0, 0.0, 1.0]
    assert row.recent_ids == ["i0"]
    alone, _, _ = fold_all([(0, cut)])
    assert (alone.recent_ids, math.isnan(alone.recent_R[0, 1 + DWELL])) == (["i0"], True)


def test_click_without_impression_counts_but_teaches_no_rate() -> None:
    """Positives that have no negatives with them would teach that everything is clicked."""
    row, examples, actions = fold_all([(0, event("click"))])
    assert examples == []
    assert list(actions[0].observations)[CLICK] == list(actions[0].label_sums)[CLICK] == 1.0
    assert row.recent_ids == ["i0"]


def test_second_click_on_one_impression_is_one_positive() -> None:
    """The rate of an item never exceeds one."""
    _, examples, actions = fold_all([(0, event(IMPRESSION)), (1, event("click", at=1010.0)), (2, event("click", at=1020.0))])
    assert len(examples) == 1
    assert sum(action.observations[CLICK] for action in actions) == sum(action.label_sums[CLICK] for action in actions) == 1.0


def test_action_of_another_recommendation_does_not_label_the_impression() -> None:
    """Where an action names its recommendation, only that one's impression is meant."""
    shown = event(IMPRESSION, recommendation_id="a")
    _, examples, _ = fold_all([(0, shown), (1, event("click", at=1010.0, recommendation_id="b"))])
    assert examples == []


def test_features_as_served_are_kept_to_the_bit() -> None:
    """An impression that carries the server's values is learned from with exactly these."""
    values = (np.arange(len(VOCABULARY.features)) / 7).astype(np.float32)
    served = Served(
        fingerprint=VOCABULARY.fingerprint, features=values, history_item_ids=(), history_values=np.empty(0, dtype=np.float32)
    )
    shown = DecodedEvent(event_id="s", user_id="u", item_id="i0", at=1000.0, kind=IMPRESSION, served=served)
    _, examples, _ = fold_all([(0, shown), (1, event("click", at=1001.0))])
    assert np.array_equal(np.array(examples[0].features, dtype=np.float32), values)


def test_features_of_another_vocabulary_are_made_anew() -> None:
    """Values whose names and order are not ours cannot be learned from."""
    served = Served(
        fingerprint=1,
        features=np.array([9.0], dtype=np.float32),
        history_item_ids=(),
        history_values=np.empty(0, dtype=np.float32),
    )
    shown = DecodedEvent(event_id="s", user_id="u", item_id="i0", at=1000.0, kind=IMPRESSION, served=served)
    _, examples, _ = fold_all([(0, shown), (1, event("click", at=1001.0))])
    assert len(examples[0].features) == len(VOCABULARY.features)


def test_what_a_row_keeps_is_bounded() -> None:
    """However much a user sees and does, the row stays small, and what is pushed out is settled, not lost."""
    shown = [(number, event(IMPRESSION, f"i{number}", 1000.0)) for number in range(MAX_PENDING + 5)]
    row, examples, _ = fold_all(shown)
    assert len(row.pending) <= MAX_PENDING + 1
    assert [example.labels[CLICK] for example in examples] == [0.0] * 4
    done = [(number, event("click", f"i{number}", 1000.0 + number)) for number in range(RECENT + 5)]
    row, _, _ = fold_all(done)
    assert len(row.recent_ids) == len(row.recent_R) == RECENT
    assert row.recent_ids[0] == f"i{RECENT + 4}"


def test_an_impression_without_predictions_is_told_of_at_once() -> None:
    """Whoever learns predicts it then; it has no labels, and comes before what labels it."""
    fold, row = fold_over(table_of()), UserRow.empty("u", VOCABULARY)
    shown = fold.fold(row, event(IMPRESSION), at_offset(0))
    [example] = map(Example.FromString, shown.examples)
    assert not is_labelled(example)
    assert shown.labelled == 0
    assert (example.item_id, example.shown_at, example.labelled_at) == ("i0", 1000.0, 1000.0)
    [clicked] = map(Example.FromString, fold.fold(row, event("click", at=1010.0), at_offset(1)).examples)
    assert (clicked.features, clicked.shown_at) == (example.features, 1000.0)


def test_what_the_server_answered_reaches_the_example() -> None:
    """An impression that carries its predictions is not told of, and its label comes with them; odd ones are left out."""
    features = np.arange(len(VOCABULARY.features), dtype=np.float32)
    answered = np.array([0.25, 30.0, np.nan], dtype=np.float32)
    for predictions, expected in ((answered, answered.tolist()), (answered[:2], [])):
        served = Served(
            fingerprint=VOCABULARY.fingerprint,
            features=features,
            history_item_ids=(),
            history_values=np.empty(0, dtype=np.float32),
            predictions=predictions,
        )
        fold, row = fold_over(table_of()), UserRow.empty("u", VOCABULARY)
        shown = fold.fold(row, dataclasses.replace(event(IMPRESSION), served=served), at_offset(0))
        assert len(shown.examples) == (0 if expected else 1)
        [clicked] = map(Example.FromString, fold.fold(row, event("click", at=1010.0), at_offset(1)).examples)
        np.testing.assert_array_equal(np.array(clicked.predictions, dtype=np.float32), np.array(expected, dtype=np.float32))


def test_what_is_over_is_settled_without_another_event_of_the_user() -> None:
    """By the time of the partition, from which a user who never comes back is late, too; once, however often it is asked."""
    fold, row = fold_over(table_of()), UserRow.empty("u", VOCABULARY)
    fold.fold(row, event(IMPRESSION), at_offset(3))
    due = fold.due_at(row)
    assert due == 1000.0 + 600.0 + ALLOWED_LATENESS
    assert fold.settle(row, due - 1.0, at_offset(8), 0) == []
    assert row.offset == 3, "nothing happened, so nothing is included"
    assert fold.settle(row, due, at_offset(9, partition=2), 0) == [], "the user is read from another partition by now"
    [settled] = map(Example.FromString, fold.settle(row, due, at_offset(9), 2))
    assert (settled.labels[CLICK], settled.labelled_at, settled.source.offset) == (0.0, due, 9)
    assert row.offset == 9
    assert math.isinf(fold.due_at(row))
    assert fold.settle(row, due + 10.0, at_offset(9), 2) == [], "the row includes what followed from that event"
    assert fold.fold(row, event("click", at=1010.0, event_id="late"), at_offset(7)).duplicate, "its place was passed by"
