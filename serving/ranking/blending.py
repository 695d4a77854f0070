"""One number that a list is ordered by: task predictions made comparable, weighted, and blended."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feature_repo.tasks import Task

__all__ = ["CONTEXT_WEIGHT", "blend", "comparable"]

CONTEXT_WEIGHT = 1.0
"""What a cosine of 1 between the request's context text and an item adds to the rank score, whose tasks lie in 0 to 1."""

_NORMAL_TO_LOGISTIC = 1.702  # the logistic of 1.702 z is within .01 of the normal distribution function (Haley, 1952)


def comparable(
    values_BT: NDArray[np.float32], tasks: Sequence[Task], mean_T: NDArray[np.float64], deviation_T: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Predictions (B, T) of all tasks on one scale from 0 to 1, so that weights mean the same for every kind of task.

    A probability stays as it is. A duration or a regression becomes the share of the task's labels that lie below the
    prediction, taking the labels (of durations: their log1p) as normal with `mean_T` and `deviation_T` in training space.

    >>> stars = Task(name="stars", kind="regression", event="rate")
    >>> comparable(np.array([[3.5]], dtype=np.float32), [stars], np.array([3.5]), np.array([1.0])).item()
    0.5
    """
    scaled_BT = values_BT.astype(np.float64)
    for at, task in enumerate(tasks):
        if task.kind != "binary":
            labels_B = np.log1p(scaled_BT[:, at]) if task.kind == "duration" else scaled_BT[:, at]
            z_B = ((labels_B - mean_T[at]) / deviation_T[at]).clip(-30.0, 30.0)
            scaled_BT[:, at] = 1.0 / (1.0 + np.exp(-_NORMAL_TO_LOGISTIC * z_B))
    return scaled_BT


def blend(scaled_BT: NDArray[np.float64], weights_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean over the tasks that apply to each item, (B,): so items of types with fewer tasks are not put behind.

    A task that is not about an item is NaN there. A negative weight pushes down what is likely to be, say, hidden. An item that
    no weighted task applies to gets 0.
    """
    shares_BT = weights_T * ~np.isnan(scaled_BT)
    total_B: NDArray[np.float64] = np.abs(shares_BT).sum(axis=1)
    mean_B: NDArray[np.float64] = (shares_BT * np.nan_to_num(scaled_BT)).sum(axis=1) / np.where(total_B > 0.0, total_B, 1.0)
    return mean_B
