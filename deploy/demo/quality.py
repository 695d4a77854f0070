"""Figures of quality that the report compares: area under the ROC curve and root mean squared error."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score, root_mean_squared_error

__all__ = ["auc", "rmse"]


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Probability that a positive scores above a negative, ties counting half; NaN where one class is missing.

    >>> auc([0, 1, 1], [0.1, 0.1, 0.9])
    0.75
    """
    positive = np.asarray(labels) > 0.5
    return float(roc_auc_score(positive, scores)) if positive.any() and not positive.all() else float("nan")


def rmse(labels: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Root of the mean squared difference, in the labels' unit.

    >>> round(rmse([1, 2], [1, 4]), 4)
    1.4142
    """
    return float(root_mean_squared_error(labels, predictions))
