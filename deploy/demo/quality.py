"""Owns the figures of quality that the report compares: area under the ROC curve and root mean squared error."""

import numpy as np
import numpy.typing as npt

__all__ = ["auc", "rmse"]


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Probability that a positive scores above a negative, ties counting half; NaN where one class is missing.

    >>> auc([0, 1, 1], [0.1, 0.1, 0.9])
    0.75
    """
    positive, score = np.asarray(labels) > 0.5, np.asarray(scores, dtype=np.float64)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]  # mean rank of each group of ties, from 1
    return float((ranks[positive].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))


def rmse(labels: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Root of the mean squared difference, in the labels' unit.

    >>> rmse([1, 2], [1, 4])
    1.4142135623730951
    """
    difference = np.asarray(labels, dtype=np.float64) - np.asarray(predictions, dtype=np.float64)
    return float(np.sqrt(np.mean(difference**2)))
