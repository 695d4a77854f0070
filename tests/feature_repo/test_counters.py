"""Decayed counters: half-lives, late events, and fresh reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.counters import add, decay
from feature_repo.vocabulary import HALF_LIVES


def test_a_count_halves_after_its_half_life_and_the_lifetime_one_never() -> None:
    """Each column follows its own half-life."""
    for column, (name, seconds) in enumerate(HALF_LIVES):
        if name == "all":
            assert decay(1e12)[column] == 1.0
        else:
            assert decay(seconds)[column] == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 10)), min_size=1, max_size=30), st.randoms())
def test_order_of_arrival_does_not_matter(events: list[tuple[float, float]], random: object) -> None:
    """Late events are aged to where the counters stand, so any order gives the same counts up to rounding."""

    def total(ordered: list[tuple[float, float]]) -> tuple[np.ndarray, float]:
        counters, updated_at = np.zeros((1, len(HALF_LIVES))), 0.0
        for at, value in ordered:
            updated_at = add(counters, updated_at, np.array([value]), at)
        return counters, updated_at

    shuffled = events.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' Random
    (one, one_at), (other, other_at) = total(events), total(shuffled)
    assert one_at == other_at
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
