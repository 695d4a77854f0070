"""Every prediction of a replay beside its label and its baselines, and the figures that they give."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from feature_repo.tasks import Task
from training.metrics.lists import Estimate, auc_of_all, list_quality
from training.metrics.progress import Progress
from training.metrics.ranking import rank_quality

__all__ = ["Figures", "Judged", "ShownItem"]

Figures = dict[str, dict[str, dict[str, dict[str, float | None]]]]
"""By task, window (`all`, `last_fifth`), model (`headwater` or a baseline) and metric; None where nothing can be said."""

_RANKING_ONLY = ("recent_popularity",)
"""Baselines whose numbers order items and are no probabilities."""

_LATE_ONLY = ("lightgbm",)
"""Baselines that predict the last fifth alone."""


class ShownItem(NamedTuple):
    """Whom an example is about, and when and in which list the item was shown."""

    user_id: str
    item_id: str
    recommendation_id: str
    shown_at: float
    labelled_at: float

    @property
    def list_key(self) -> tuple[str, str | float]:
        """Tells lists apart: by the recommendation, or where none is named by the moment."""
        return self.user_id, self.recommendation_id or self.shown_at


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """Every example that was learned from, in order; each array is (examples, T), in training space."""

    tasks: tuple[Task, ...]
    shown: Sequence[ShownItem]
    predictions: npt.NDArray[np.float32]
    """Made when its item was shown, by the weights and features of that moment; see `training.shown`."""
    labels: npt.NDArray[np.float32]
    """NaN where the example says nothing of the task."""
    baselines: Mapping[str, npt.NDArray[np.float32]]
    """What others would have said at that moment.

    `item_mean`: the item's running mean label. `user_item_mean`: the same plus the user's running bias. `recent_popularity`, of
    binary tasks: how often the item was taken lately. `lightgbm`, of the last fifth: trees, where they are asked for. NaN where
    one says nothing.
    """

    @property
    def models(self) -> dict[str, npt.NDArray[np.float32]]:
        """Predictions as they are judged, by what made them: those of binary tasks within what a log loss can judge."""
        binary_T = np.array([task.kind == "binary" for task in self.tasks])
        all_of_them = {"headwater": self.predictions, **self.baselines}
        return {
            name: made if name in _RANKING_ONLY else np.where(binary_T, np.clip(made, 1e-4, 1 - 1e-4), made)
            for name, made in all_of_them.items()
        }

    @property
    def users(self) -> npt.NDArray[np.int64]:
        """Number of each example's user, (examples,)."""
        return _numbers(one.user_id for one in self.shown)

    @property
    def lists(self) -> npt.NDArray[np.int64]:
        """Number of each example's list, (examples,)."""
        return _numbers(one.list_key for one in self.shown)

    @property
    def last_fifth(self) -> int:
        """How many examples the window `last_fifth` has."""
        return len(self.labels) // 5

    def figures(self) -> Figures:
        """Quality by task, window, model and metric.

        Metrics are those of `training.metrics.progress.Quality`, and for binary tasks the error of the AUC, those of
        `training.metrics.ranking.Ranking` for the ten best of each user's examples (`ndcg_at_10`, ...), and those of
        `training.metrics.lists.ListQuality` within lists as they were shown (`list_auc`, ...).
        """
        found: Figures = {task.name: {"all": {}, "last_fifth": {}} for task in self.tasks}
        users, lists, items = self.users, self.lists, _numbers(one.item_id for one in self.shown)
        for name, made in self.models.items():
            for window, begin in (("all", 0), ("last_fifth", len(self.labels) - self.last_fifth)):
                for index, task in enumerate(self.tasks):
                    known = begin + np.flatnonzero(~np.isnan(self.labels[begin:, index]) & ~np.isnan(made[begin:, index]))
                    if (name in _RANKING_ONLY and task.kind != "binary") or (
                        name in _LATE_ONLY and (not len(known) or not begin)
                    ):
                        continue
                    labels, scores = self.labels[known, index], made[known, index]
                    metrics: dict[str, float] = {} if name in _RANKING_ONLY else _quality(task, scores, labels)
                    if task.kind == "binary":
                        metrics |= _ranking(users[known], items[known], lists[known], labels, scores)
                    found[task.name][window][name] = {
                        metric: value if math.isfinite(value) else None for metric, value in metrics.items()
                    }
        return found


def _quality(task: Task, scores: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> dict[str, float]:
    progress = Progress((task,), capacity=max(len(labels), 1))
    progress.add(torch.from_numpy(scores[:, None].copy()), torch.from_numpy(labels[:, None].copy()))
    return asdict(progress.quality()[task.name])


def _ranking(
    users: npt.NDArray[np.int64],
    items: npt.NDArray[np.int64],
    lists: npt.NDArray[np.int64],
    labels: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
) -> dict[str, float]:
    best = rank_quality(users, items, labels, scores)
    found = {f"{metric}_at_10": value for metric, value in asdict(best).items()}
    in_lists = list_quality(lists, users, labels, scores)
    estimates = {
        "auc": auc_of_all(users, labels, scores),
        "list_auc": in_lists.auc,
        "list_mrr": in_lists.mrr,
        "list_ndcg_at_5": in_lists.ndcg_at_5,
        "list_ndcg_at_10": in_lists.ndcg_at_10,
    }
    for metric, estimate in estimates.items():
        found |= _with_error(metric, estimate)
    return found | {"lists": in_lists.lists}


def _with_error(metric: str, estimate: Estimate) -> dict[str, float]:
    return {metric: estimate.value, f"{metric}_error": estimate.stated}


def _numbers(keys: Iterable[Hashable]) -> npt.NDArray[np.int64]:
    """A number for each key, the same for equal ones."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)
