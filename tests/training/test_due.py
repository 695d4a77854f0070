"""Users of whom something is due, by the event time of their partition."""

import math

from hypothesis import given
from hypothesis import strategies as st

from training.due import DueUsers


def test_users_are_given_once_in_the_order_in_which_they_were_due() -> None:
    """A later time replaces an earlier one; an infinite one takes the user off."""
    due = DueUsers()
    for user_id, at in (("a", 30.0), ("b", 10.0), ("c", 20.0), ("a", 40.0), ("b", math.inf)):
        due.set(user_id, at)
    assert due.advance(15.0) == []
    assert due.advance(50.0) == ["c", "a"]
    assert due.advance(60.0) == []
    assert len(due) == 0


def test_time_never_goes_back() -> None:
    """An event that comes late makes nothing due again, and nothing due later."""
    due = DueUsers({"a": 100.0}, time=90.0)
    assert due.advance(50.0) == []
    assert due.time == 90.0
    assert due.advance(100.0) == ["a"]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcd"), st.integers(0, 50)), max_size=40), st.integers(0, 40))
def test_a_copy_of_what_it_holds_goes_on_alike(steps: list[tuple[bool, str, int]], cut: int) -> None:
    """So a worker that takes a partition over finds the same users due after the same events."""

    def play(due: DueUsers, part: list[tuple[bool, str, int]]) -> list[list[str]]:
        found = []
        for sets, user_id, at in part:
            if sets:
                due.set(user_id, float(at))
            else:
                found.append(due.advance(float(at)))
        return found

    whole, first = DueUsers(), DueUsers()
    found = play(whole, steps)
    before = play(first, steps[:cut])
    assert before + play(DueUsers(dict(first.items()), time=first.time), steps[cut:]) == found
