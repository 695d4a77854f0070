"""Ranking metrics of the lists that predictions would make: each user's K highest-scored candidates."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.functional.retrieval import retrieval_normalized_dcg, retrieval_recall

__all__ = ["Ranking", "gini", "rank_quality"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """Quality of one list of K for each user; NaN where no user has more than K candidates."""

    ndcg: float
    """Mean normalised discounted cumulative gain (Järvelin and Kekäläinen, TOIS 2002) over users who have something relevant."""
    recall: float
    """Mean share of a user's relevant candidates that the list holds, over the same users."""
    coverage: float
    """Share of all items among the candidates that stand in at least one list."""
    gini: float
    """Inequality of how often items stand in lists: 0 if all do equally, near 1 if a few take all places."""


def gini(counts: npt.NDArray[np.integer]) -> float:
    """Gini coefficient of counts: half the mean absolute difference of two of them, over their mean.

    >>> gini(np.array([1, 1, 1, 1])), gini(np.array([0, 0, 0, 4]))
    (0.0, 0.75)
    """
    ordered, size = np.sort(counts), len(counts)
    if not ordered.sum():
        return math.nan
    return float((2 * np.arange(1, size + 1) - size - 1) @ ordered / (size * ordered.sum()))


def rank_quality(
    users: npt.NDArray[np.integer],
    items: npt.NDArray[np.integer],
    relevant: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    *,
    k: int = 10,
) -> Ranking:
    """Judges the lists that `scores` would make; each argument is (n,), one entry for each candidate of some user.

    Args:
        relevant: above 0.5 where the user took to the item.
    """
    order = np.argsort(users, kind="stable")
    bounds = np.flatnonzero(np.diff(users[order])) + 1
    exposed: list[npt.NDArray[np.integer]] = []
    gains, recalls = [], []
    for part in np.split(order, bounds):
        if len(part) <= k:
            continue  # everything would be shown, whatever the scores
        exposed.append(items[part[np.argsort(-scores[part], kind="stable")[:k]]])
        predicted, observed = torch.from_numpy(np.asarray(scores[part], dtype=np.float32)), torch.from_numpy(relevant[part] > 0.5)
        if observed.any():
            gains.append(float(retrieval_normalized_dcg(predicted, observed.long(), top_k=k)))
            recalls.append(float(retrieval_recall(predicted, observed, top_k=k)))
    if not exposed:
        return Ranking(ndcg=math.nan, recall=math.nan, coverage=math.nan, gini=math.nan)
    _, counts = np.unique(np.concatenate((np.unique(items), *exposed)), return_counts=True)
    shown = counts - 1
    return Ranking(
        ndcg=float(np.mean(gains)) if gains else math.nan,
        recall=float(np.mean(recalls)) if recalls else math.nan,
        coverage=float((shown > 0).mean()),
        gini=gini(shown),
    )
