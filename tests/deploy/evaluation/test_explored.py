"""From the events of a log to lists that a ranking can be judged by."""

from collections.abc import Sequence

import numpy as np
import pytest

from deploy.evaluation.explored import Explored, explored_lists
from headwater.v1.events_pb2 import Event
from tests.serving.worlds import NOW, VOCABULARY

CLICK, DWELL, STARS = VOCABULARY.tasks
TASKS = len(VOCABULARY.tasks)


def shown(item_id: str, position: int, *, answer: str = "r1", propensity: float = 0.5) -> Event:
    """An impression of an explored list, two hours ago; the first of a list carries its three candidates."""
    event = Event(event_id=f"{answer}:{position}", user_id="ann", item_id=item_id, recommendation_id=answer)
    event.occurred_at.FromSeconds(int(NOW) - 7200)
    impression = event.impression
    impression.position, impression.propensity = position, propensity
    impression.served.fingerprint = VOCABULARY.fingerprint
    if position == 0:
        impression.considered.item_ids.extend(("a", "b", "c"))
        impression.considered.predictions.extend((0.5, 0.1, 0.9, 0.4, float("nan"), 0.8, 0.3, 0.2, 0.7))
        impression.considered.added.extend((0.0, 1.0, 0.0))
    return event


def acted(item_id: str, after: float, *, answer: str = "r1", seconds: float | None = None) -> Event:
    event = Event(event_id=f"{answer}{item_id}{after}", user_id="ann", item_id=item_id, recommendation_id=answer)
    event.occurred_at.FromSeconds(int(NOW - 7200 + after))
    if seconds is None:
        event.click.SetInParent()
    else:
        event.read.seconds = seconds
    return event


def explored(events: Sequence[Event], *, task: int = 0, weights: Sequence[float] = (1.0, 0.0, 0.0), now: float = NOW) -> Explored:
    return explored_lists(events, VOCABULARY, VOCABULARY.tasks[task], weights_T=np.array(weights), now=now)


def test_lists_are_joined_with_the_actions_that_followed() -> None:
    """A click within the window earns 1, one of another answer or too late nothing; a repeated record counts once."""
    events = [shown("b", 1, propensity=0.4), shown("a", 0), acted("b", 60.0), acted("a", 5000.0), acted("a", 9.0, answer="r2")]
    [one] = explored([*events, *events]).lists
    assert one.shown_K.tolist() == [0, 1]
    np.testing.assert_allclose(one.propensity_K, [0.5, 0.4])
    assert one.reward_K.tolist() == [0.0, 1.0]
    assert one.expected_A is not None
    np.testing.assert_allclose(one.expected_A, [0.5, 0.4, 0.3], rtol=1e-6)


def test_candidates_are_scored_by_the_weights_to_be_judged() -> None:
    """The blend of what was predicted, tasks that are not about an item left out, and what boosts and words added."""
    [one] = explored([shown("a", 0)], weights=(1.0, 1.0, 0.0)).lists
    np.testing.assert_allclose(one.scores_A, [0.3, 1.4, 0.25], rtol=1e-6)


def test_reading_earns_its_seconds() -> None:
    """All of them, and with no expectation in that unit there is no doubly robust estimate."""
    events = [shown("a", 0), acted("a", 10.0, seconds=30.0), acted("a", 50.0, seconds=12.0)]
    [one] = explored(events, task=1).lists
    assert one.reward_K.tolist() == [42.0]
    assert one.expected_A is None


@pytest.mark.parametrize(
    ("why", "events"),
    [
        ("impressions are missing", [shown("b", 1)]),
        ("an item is not among those considered", [shown("z", 0)]),
    ],
)
def test_list_that_is_not_whole_is_passed_over_and_counted(why: str, events: list[Event]) -> None:
    """A list that lost its first impression, or that was put together wrongly, gives no estimate."""
    found = explored(events)
    assert not found.lists
    assert found.passed_over == {why: 1}


def test_list_whose_window_is_open_waits() -> None:
    """What is still to be clicked would count as not clicked."""
    found = explored([shown("a", 0)], now=NOW - 7200 + 100.0)
    assert found.passed_over == {"actions may still come": 1}


def test_plain_impressions_are_no_lists() -> None:
    """Without propensities nothing can be judged, and nothing is counted against the log."""
    event = shown("a", 0)
    event.impression.ClearField("propensity")
    found = explored([event])
    assert not found.lists
    assert not found.passed_over
