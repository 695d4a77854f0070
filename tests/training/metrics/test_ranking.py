"""Metrics of lists, each against a value worked out by hand."""

import math

import numpy as np
import pytest

from training.metrics.ranking import gini, rank_quality


def test_lists_of_two_users_by_hand() -> None:
    """Lists of two out of three: one user's list is relevant at rank 2 of 1, the other's at both ranks of 3 relevant ones."""
    users = np.array([7, 7, 7, 8, 8, 8])
    items = np.array([0, 1, 2, 0, 1, 3])
    relevant = np.array([0, 1, 0, 1, 1, 1], dtype=np.float32)
    scores = np.array([0.9, 0.8, 0.1, 0.9, 0.8, 0.1], dtype=np.float32)
    found = rank_quality(users, items, relevant, scores, k=2)
    assert found.ndcg == pytest.approx(((1 / math.log2(3)) + 1.0) / 2)
    assert found.recall == pytest.approx((1.0 + 2 / 3) / 2)
    assert found.coverage == pytest.approx(2 / 4)
    # Shown 2, 2, 0, 0 times: mean absolute difference of two draws 1, mean 1, so a half.
    assert found.gini == pytest.approx(0.5)


def test_users_with_no_choice_say_nothing() -> None:
    """With as many candidates as places every score makes the same list."""
    found = rank_quality(np.array([1, 1]), np.array([0, 1]), np.array([1.0, 0.0]), np.array([0.1, 0.9]), k=2)
    assert all(math.isnan(value) for value in (found.ndcg, found.recall, found.coverage, found.gini))


def test_users_without_anything_relevant_are_exposed_to_and_not_judged() -> None:
    """What they were shown counts as exposure; there is nothing to find."""
    found = rank_quality(np.array([1, 1]), np.array([0, 1]), np.array([0.0, 0.0]), np.array([0.1, 0.9]), k=1)
    assert math.isnan(found.ndcg)
    assert (found.coverage, found.gini) == (0.5, 0.5)


def test_gini_of_shares_by_hand() -> None:
    """Of 1, 2 and 3 the mean absolute difference is 8/9, the mean 2: 2/9."""
    assert gini(np.array([3, 1, 2])) == pytest.approx(2 / 9)
    assert math.isnan(gini(np.array([0, 0])))
