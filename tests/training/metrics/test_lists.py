"""Figures within lists agree with their definitions, and their errors with what repetition shows."""

import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score, roc_auc_score

from training.metrics.lists import auc_of_all, list_quality


def drawn(seed: int, *, lists: int = 200, levels: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lists of 2 to 20 items of 30 users, their entries in any order; scores tie often, and tell something."""
    rng = np.random.default_rng(seed)
    whose = np.repeat(np.arange(lists), rng.integers(2, 21, size=lists))
    labels = (rng.random(len(whose)) < 0.3).astype(np.float64)
    scores = np.floor(levels * (rng.random(len(whose)) + 0.3 * labels)) / levels
    order = rng.permutation(len(whose))
    return whose[order], whose[order] % 30, labels[order], scores[order]


def test_figures_are_those_of_their_definitions() -> None:
    """AUC, nDCG and MRR of each list that has both labels, by other code; ties count as the mean over their orders."""
    lists, users, labels, scores = drawn(0)
    found = list_quality(lists, users, labels, scores)
    parts = [np.flatnonzero(lists == one) for one in np.unique(lists)]
    parts = [part for part in parts if 0 < labels[part].sum() < len(part)]
    assert found.lists == len(parts)
    assert found.auc.value == pytest.approx(np.mean([roc_auc_score(labels[part], scores[part]) for part in parts]))
    for k, value in ((5, found.ndcg_at_5.value), (10, found.ndcg_at_10.value)):
        assert value == pytest.approx(np.mean([ndcg_score([labels[part]], [scores[part]], k=k) for part in parts]))
    rng = np.random.default_rng(1)
    orders = []
    for _ in range(200):
        noise = scores + 1e-9 * rng.random(len(scores))
        orders.append(list_quality(lists, users, labels, noise).mrr.value)
    assert found.mrr.value == pytest.approx(np.mean(orders), abs=float(4 * np.std(orders) / math.sqrt(len(orders))))


def test_the_auc_over_everything_is_the_usual_one() -> None:
    """With ties."""
    _, users, labels, scores = drawn(2)
    assert auc_of_all(users, labels, scores).value == pytest.approx(roc_auc_score(labels, scores))


@pytest.mark.parametrize("figure", ["lists", "all"])
def test_errors_are_what_repetition_shows(figure: str) -> None:
    """The standard error is near the spread of the figure over samples of other users, whose tastes shift all their labels."""
    values, errors = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        users = np.repeat(np.arange(60), 24)
        lists = np.arange(len(users)) // 6
        skill = rng.normal(0.5, 0.7, size=60)[users]
        labels = (rng.random(len(users)) < 0.3).astype(np.float64)
        scores = skill * labels + rng.normal(size=len(users))
        found = list_quality(lists, users, labels, scores).auc if figure == "lists" else auc_of_all(users, labels, scores)
        values.append(found.value)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


def test_nothing_is_said_of_lists_without_both_labels() -> None:
    """Nor of one class alone."""
    alone = np.zeros(3, dtype=np.int64)
    assert list_quality(alone, alone, np.ones(3), np.arange(3.0)).lists == 0
    assert math.isnan(auc_of_all(alone, np.ones(3), np.arange(3.0)).value)
    assert list_quality(alone[:0], alone[:0], np.ones(0), np.ones(0)).lists == 0
