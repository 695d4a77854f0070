"""Ranges of values: what counts as usual, and that the same log gives the same range however it is read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.ranges import RunningRange, ValueRanges, refusal
from feature_repo.tasks import Task, TasksError, parse_tasks
from tests.feature_repo.worlds import event

STARS = parse_tasks('[tasks.stars]\nkind = "regression"\nevent = "rate"')
READ = parse_tasks('[tasks.dwell]\nkind = "duration"\nevent = "read"')


def _after(values: list[float]) -> RunningRange:
    running = RunningRange()
    for place, value in enumerate(values):
        running.observe(value, place)
    return running


def _stars(count: int, seed: int = 0) -> list[float]:
    return [float(star) for star in np.random.default_rng(seed).integers(1, 6, count)]


@pytest.mark.parametrize("burst", [50_000.0, 1e9, 300.0, -50_000.0])
def test_an_outlier_counts_as_the_most_extreme_usual_value(burst: float) -> None:
    """Among stars from 1 to 5 a value of any size counts as 5, or as 1 below."""
    assert _after(_stars(100)).clip(burst) == (5.0 if burst > 0.0 else 1.0)


def test_what_is_usual_is_left_as_it_is() -> None:
    """Of skewed amounts fewer than one in two hundred is clipped; nothing is before there are twenty."""
    amounts = np.random.default_rng(1).lognormal(3.0, 1.0, 5000).tolist()
    running, clipped = RunningRange(), 0
    for place, amount in enumerate(amounts):
        assert place >= 20 or running.clip(amount) == amount
        clipped += running.clip(amount) != amount
        running.observe(amount, place)
    assert clipped < len(amounts) / 200


def test_outliers_do_not_make_room_for_themselves() -> None:
    """Two in a hundred, for as long as they come, never count for more than a usual value."""
    running = _after(_stars(100))
    for place, star in enumerate(_stars(20_000, seed=3), start=100):
        value = 50_000.0 if place % 50 == 0 else star
        assert running.clip(value) <= 5.0
        running.observe(value, place)


def test_another_scale_becomes_usual() -> None:
    """Where all values are ten times what they were, they count in full within some thousands."""
    running = _after(_stars(500))
    for place, star in enumerate(_stars(20_000, seed=4), start=500):
        running.observe(10.0 * star, place)
    assert running.clip(50.0) == 50.0


def test_where_all_are_alike_another_may_lie_as_far_as_they_do_from_nothing() -> None:
    """A constant says nothing of the spread: its neighbours count, what is thousands of times as large does not."""
    running = _after([5.0] * 100)
    assert (running.clip(1.0), running.clip(8.0), running.clip(50_000.0)) == (1.0, 8.0, 5.0)


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.booleans()), max_size=150), st.data())
@settings(max_examples=60)
def test_reading_again_from_any_place_gives_the_same_range(rated: list[tuple[float, bool]], data: st.DataObject) -> None:
    """A worker that goes on from a stored state, and reads some events before it once more, clips as one that never stopped."""
    events = [event("rate" if valued else "click", value=value if valued else None) for value, valued in rated]
    whole = ValueRanges(STARS)
    clipped = [whole.observe(one, log=7, offset=offset) for offset, one in enumerate(events)]
    stop = data.draw(st.integers(0, len(events)))
    again_from = data.draw(st.integers(0, stop))
    first = ValueRanges(STARS)
    for offset in range(stop):
        first.observe(events[offset], log=7, offset=offset)
    second = ValueRanges(STARS, first.to_bytes())
    for offset in range(again_from, stop):
        second.observe(events[offset], log=7, offset=offset)
    assert second.to_bytes() == first.to_bytes()
    assert [second.observe(events[offset], log=7, offset=offset) for offset in range(stop, len(events))] == clipped[stop:]
    assert second.to_bytes() == whole.to_bytes()


def test_a_new_log_goes_on_from_the_range_of_the_last() -> None:
    """Offsets begin at 0 again there, and its events count."""
    ranges = ValueRanges(STARS)
    for offset, star in enumerate(_stars(100)):
        ranges.observe(event("rate", value=star), log=1, offset=offset)
    before = ranges.to_bytes()
    assert ranges.observe(event("rate", value=50_000.0), log=2, offset=0) == {0: 5.0}
    assert ranges.to_bytes() != before


def test_durations_are_bounded_on_their_logarithm() -> None:
    """A read of thirty years counts as a long one of those that there are."""
    ranges, seconds = ValueRanges(READ), np.random.default_rng(2).lognormal(3.0, 1.0, 200).tolist()
    for offset, one in enumerate(seconds):
        ranges.observe(event("read", value=one), log=1, offset=offset)
    outside = ranges.observe(event("read", value=9e8), log=1, offset=200)
    assert outside == {0: pytest.approx(np.log1p(max(seconds)))}


def test_a_declared_range_takes_the_place_of_the_running_one() -> None:
    """Values count as the nearest within, and nothing is kept of them."""
    [stars] = parse_tasks('[tasks.stars]\nkind = "regression"\nevent = "rate"\nmin = 1\nmax = 5')
    assert [stars.label(value) for value in (-3.0, 1.0, 4.5, 50_000.0)] == [1.0, 1.0, 4.5, 5.0]
    ranges = ValueRanges((stars,))
    assert (ranges.observe(event("rate", value=50_000.0), log=1, offset=0), ranges.to_bytes()) == ({}, b"")


def test_a_task_may_refuse_what_lies_outside() -> None:
    """The reason says the value and the range; other events pass."""
    tasks = parse_tasks('[tasks.stars]\nkind = "regression"\nevent = "rate"\nmin = 1\nmax = 5\noutside = "refuse"')
    assert refusal(tasks, event("rate", value=50_000.0)) == (
        "the value of rate is 50000, task stars takes 1 to 5: correct the producer"
    )
    assert refusal(tasks, event("rate", value=5.0)) is refusal(tasks, event("read", value=50_000.0)) is None


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ('kind = "regression"\noutside = "refuse"', "needs a range"),
        ('kind = "regression"\nmin = 5\nmax = 1', "must be less than"),
        ('kind = "regression"\nmax = nan', "must be less than"),
        ('kind = "binary"\nat_least = 4\nmax = 5', "belong to durations and regressions"),
    ],
)
def test_a_range_that_says_nothing_is_refused(declared: str, said: str) -> None:
    """The message names the key."""
    with pytest.raises(TasksError, match=said):
        parse_tasks(f'[tasks.stars]\nevent = "rate"\n{declared}')


def test_a_declared_range_is_part_of_what_labels_mean() -> None:
    """Rows that counted other labels are refused; those of a task without a range keep the meaning that they had."""
    plain = Task(name="stars", kind="regression", event="rate")
    assert "max" not in plain.meaning
    assert Task(name="stars", kind="regression", event="rate", max=5.0).meaning != plain.meaning
