"""Masks item history, so that a model learns what text and category alone can tell.

Source: DropoutNet (Volkovs, Yu and Poutanen, NeurIPS 2017), section 4.1, with counters in the place of learned vectors.
"""

import torch
from torch import Tensor

from feature_repo.vocabulary import Vocabulary

__all__ = ["NewItems"]

_BY_TASK = ("item_trend", "item_count_log", "popularity_affinity", "audience_affinity", "mean_slope", "popularity_slope")
_OF_ALL_TASKS = ("item_impressions_log", "item_impressions_day_log", "item_silence_log")


class NewItems:
    """Takes from features what was done with the item, as `feature_repo.assembly.assemble` has them before anything was."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        tasks, column = [task.name for task in vocabulary.tasks], vocabulary.features.index
        by_task = [column(f"{task}:{name}") for name in _BY_TASK for task in tasks]
        self._zeros = torch.tensor([*by_task, *(column(name) for name in _OF_ALL_TASKS)])
        self._means_T = torch.tensor([column(f"{task}:item_mean") for task in tasks])
        self._expected_T = torch.tensor([column(f"{task}:expected") for task in tasks])

    def __call__(self, x_BF: Tensor, usual_T: Tensor) -> Tensor:
        """Features (B, F), as a copy; `usual_T` is the mean label of each task over all items, in training space."""
        seen_BF = x_BF.clone()
        seen_BF[:, self._zeros] = 0.0
        seen_BF[:, self._expected_T] += usual_T - x_BF[:, self._means_T]
        seen_BF[:, self._means_T] = usual_T.expand(len(x_BF), -1)
        return seen_BF
