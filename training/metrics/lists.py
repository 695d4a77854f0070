"""Quality within lists as they were shown, and the errors of such figures."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "ListQuality", "auc_of_all", "list_quality"]

Numbers = npt.NDArray[np.integer]
Values = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A figure and its standard error; NaN where nothing can be said."""

    value: float = math.nan
    error: float = math.nan

    @property
    def stated(self) -> float:
        """What is printed behind ±: three standard errors, which one figure in 370 exceeds by chance."""
        return 3.0 * self.error


@dataclass(frozen=True, kw_only=True, slots=True)
class ListQuality:
    """Means over the lists that hold a positive and a negative, as news recommendation reports them (MIND, ACL 2020, section 5).

    Where scores tie, each figure is its expectation over orders of what ties.
    """

    lists: int
    auc: Estimate
    """Chance that a positive is scored above a negative of the same list."""
    mrr: Estimate
    """Mean of 1 / rank over the positives of a list."""
    ndcg_at_5: Estimate
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen, TOIS 2002)."""
    ndcg_at_10: Estimate


def list_quality(lists: Numbers, users: Numbers, labels: Values, scores: Values) -> ListQuality:
    """Judges scores within lists; each argument is (n,), one entry for each item of some list.

    Args:
        labels: above 0.5 where the user took to the item.

    >>> two = list_quality(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), np.array([1., 0, 0, 1]), np.array([.9, .1, .8, .3]))
    >>> two.lists, two.auc.value, two.mrr.value
    (2, 0.5, 0.75)
    """
    order = np.lexsort((-scores, lists))
    lists, users, positive, scores = lists[order], users[order], labels[order] > 0.5, scores[order]
    starts, sizes = _runs(lists)
    taken = np.add.reduceat(positive, starts, dtype=np.int64) if len(starts) else sizes
    judged = (taken > 0) & (taken < sizes)
    if not judged.any():
        return ListQuality(lists=0, auc=Estimate(), mrr=Estimate(), ndcg_at_5=Estimate(), ndcg_at_10=Estimate())
    rank = np.arange(len(lists)) - np.repeat(starts, sizes)  # 0 is the best
    ties, tied = _runs(np.repeat(np.arange(len(starts)), sizes), scores)
    owner = users[starts][judged]

    def expected(value: Values) -> Values:
        """The mean over each run of ties, for each entry."""
        return np.repeat(np.add.reduceat(value, ties) / tied, tied)

    def of_positives(value: Values) -> Values:
        total: Values = np.add.reduceat(np.where(positive, value, 0.0), starts)
        return total[judged]

    m, n = taken[judged], sizes[judged]
    below = n - 1.0 - of_positives(expected(rank.astype(np.float64))) / m
    auc = (below - (m - 1) / 2) / (n - m)
    gains = {}
    for k in (5, 10):
        discount = np.where(rank < k, 1.0 / np.log2(rank + 2.0), 0.0)
        best = np.cumsum(1.0 / np.log2(np.arange(k) + 2.0))[np.minimum(m, k) - 1]
        gains[k] = of_positives(expected(discount)) / best
    return ListQuality(
        lists=int(judged.sum()),
        auc=_mean(auc, owner),
        mrr=_mean(of_positives(expected(1.0 / (rank + 1.0))) / m, owner),
        ndcg_at_5=_mean(gains[5], owner),
        ndcg_at_10=_mean(gains[10], owner),
    )


def auc_of_all(users: Numbers, labels: Values, scores: Values) -> Estimate:
    """Chance that any positive is scored above any negative, with its error over users (Obuchowski, Biometrics 1997).

    >>> auc_of_all(np.arange(4), np.array([1., 1, 0, 0]), np.array([.9, .3, .3, .1])).value
    0.875
    """
    positive = labels > 0.5
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return Estimate()
    above, below = np.sort(scores[positive]), np.sort(scores[~positive])
    share = np.empty(len(scores))  # of the other class that an entry is ordered rightly with
    share[positive] = _share_below(below, scores[positive])
    share[~positive] = 1.0 - _share_below(above, scores[~positive])
    auc = float(share[positive].mean())
    influence = (share - auc) / np.where(positive, m, n)
    _, whose = np.unique(users, return_inverse=True)
    return Estimate(value=auc, error=_spread(np.bincount(whose, influence)))


def _share_below(ordered: Values, values: Values) -> Values:
    lower, upper = np.searchsorted(ordered, values), np.searchsorted(ordered, values, side="right")
    return (lower + upper) / (2.0 * len(ordered))


def _runs(*keys: npt.NDArray[np.generic]) -> tuple[Numbers, Numbers]:
    """Where runs of equal keys begin, and how long they are."""
    size = len(keys[0])
    change = np.zeros(size, dtype=bool)
    for key in keys:
        change[1:] |= key[1:] != key[:-1]
    change[:1] = True
    starts = np.flatnonzero(change)
    return starts, np.diff(np.append(starts, size))


def _mean(values: Values, users: Numbers) -> Estimate:
    _, whose = np.unique(users, return_inverse=True)
    mean = float(values.mean())
    return Estimate(value=mean, error=_spread(np.bincount(whose, values - mean) / len(values)))


def _spread(sums: npt.NDArray[Any]) -> float:
    """Standard error of a total whose parts by user are these; NaN of fewer than two users."""
    users = len(sums)
    return math.sqrt(float(sums @ sums) * users / (users - 1)) if users > 1 else math.nan
