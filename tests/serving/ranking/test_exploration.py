"""Lists drawn at random: the chances that are logged are those of the draws."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.api.requests import Exploration
from serving.ranking.exploration import Draw, draw

SCORES_C = np.array([0.9, 0.5, 0.7, 0.1])
KEYS_C = np.arange(4, dtype=np.uint64)
OPEN_C = np.zeros(4, dtype=bool)


def drawn_with(temperature: float, closed_C: NDArray[np.bool_] = OPEN_C) -> Draw:
    return draw(SCORES_C, KEYS_C, closed_C, 4, Exploration(temperature=temperature), np.random.default_rng(0))


def chance(order: tuple[int, ...], scores: dict[int, float], temperature: float) -> list[float]:
    """Plackett-Luce by its definition: of each place, given those before."""
    left, chances = dict(scores), []
    for at in order:
        total = sum(np.exp(score / temperature) for score in left.values())
        chances.append(float(np.exp(left.pop(at) / temperature) / total))
    return chances


def test_propensities_are_those_of_the_definition_and_of_the_frequencies() -> None:
    """20,000 draws of two among the best three: every pair comes as often as its chances say, within four standard errors."""
    rng, exploration, draws = np.random.default_rng(1), Exploration(temperature=0.3, candidate_count=3), 20_000
    counts: Counter[tuple[int, ...]] = Counter()
    for _ in range(draws):
        drawn = draw(SCORES_C, KEYS_C, OPEN_C, 2, exploration, rng)
        pair = tuple(drawn.drawn_K.tolist())
        counts[pair] += 1
        np.testing.assert_allclose(drawn.propensity_K, chance(pair, {0: 0.9, 1: 0.5, 2: 0.7}, 0.3), rtol=1e-9)
    assert set(counts) == set(permutations((0, 2, 1), 2))
    for pair, count in counts.items():
        expected = np.prod(chance(pair, {0: 0.9, 1: 0.5, 2: 0.7}, 0.3))
        assert abs(count / draws - expected) < 4.0 * np.sqrt(expected * (1.0 - expected) / draws)


def test_closed_candidates_are_never_drawn() -> None:
    """They have no part in the chances of the others."""
    drawn = draw(
        SCORES_C, KEYS_C, np.array([True, False, True, False]), 4, Exploration(temperature=1.0), np.random.default_rng(0)
    )
    assert sorted(drawn.drawn_K) == [1, 3]
    assert drawn.propensity_K[-1] == pytest.approx(1.0)


def test_near_zero_temperature_is_the_ranking_itself() -> None:
    """Without overflow, and with a chance of 1."""
    drawn = drawn_with(1e-6)
    assert drawn.drawn_K.tolist() == [0, 2, 1, 3]
    np.testing.assert_allclose(drawn.propensity_K, 1.0)


def test_no_candidates_give_an_empty_draw() -> None:
    """An empty pool is no error."""
    nothing = np.zeros(0)
    drawn = draw(
        nothing, nothing.astype(np.uint64), nothing.astype(bool), 3, Exploration(temperature=1.0), np.random.default_rng(0)
    )
    assert not len(drawn.drawn_K)
    assert not len(drawn.propensity_K)
