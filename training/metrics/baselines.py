"""Baselines that a replay's predictions stand beside: recent popularity of items, and trees on the same features."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_repo.tasks import Task

__all__ = ["HALF_LIFE_SECONDS", "RecentPopularity", "boosted_trees"]

HALF_LIFE_SECONDS = 86_400.0

_RATE = math.log(2.0) / HALF_LIFE_SECONDS
_TREES = 90
_OPTIONS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.08,
    "max_bin": 63,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "num_threads": 1,
    "verbosity": -1,
    "seed": 0,
}


class RecentPopularity:
    """How often items were taken lately: a count in which each time weighs half as much after a day.

    >>> clicks = RecentPopularity()
    >>> clicks.add("tea", at=0.0); clicks.add("tea", at=86_400.0)
    >>> [clicks.of("tea", at) for at in (0.0, 86_400.0, 2 * 86_400.0)]
    [0.0, 0.5, 0.75]
    """

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}
        self._counts: dict[str, list[float]] = {}

    def add(self, item_id: str, at: float) -> None:
        """Counts one event; those of an item come in order of time."""
        times, counts = self._times.setdefault(item_id, []), self._counts.setdefault(item_id, [])
        before = counts[-1] * math.exp(_RATE * (times[-1] - at)) if times else 0.0
        times.append(at)
        counts.append(before + 1.0)

    def of(self, item_id: str, at: float) -> float:
        """The count at a time, without what happened then or later."""
        times = self._times.get(item_id, ())
        place = bisect_left(times, at) - 1
        return self._counts[item_id][place] * math.exp(_RATE * (times[place] - at)) if place >= 0 else 0.0


def boosted_trees(
    tasks: Sequence[Task],
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.float32],
    *,
    shown_at: npt.NDArray[np.float64],
    labelled_at: npt.NDArray[np.float64],
    last: int,
) -> npt.NDArray[np.float32]:
    """Gradient-boosted trees (LightGBM) on the features that Headwater had: predictions of binary tasks, (n, T).

    They learn once, from what was labelled before the first of the `last` examples was shown, and predict these; else NaN.

    Raises:
        ImportError: lightgbm is not installed.
    """
    import lightgbm  # of an extra of its own

    out = np.full(labels.shape, np.nan, dtype=np.float32)
    if not last:
        return out
    begin = len(labels) - last
    past = labelled_at < shown_at[begin:].min()
    for index, task in enumerate(tasks):
        known = past & ~np.isnan(labels[:, index])
        if task.kind == "binary" and known.sum() >= 2 * _OPTIONS["min_data_in_leaf"]:
            trees = lightgbm.train(_OPTIONS, lightgbm.Dataset(features[known], labels[known, index]), num_boost_round=_TREES)
            out[begin:, index] = trees.predict(features[begin:], num_threads=1)
    return out
