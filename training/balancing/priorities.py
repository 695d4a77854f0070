"""Priorities: a lesser task learns only what does not set a greater one back."""

import torch
from torch import Tensor
from torchjd.linalg import PSDMatrix

from feature_repo.tasks import Task
from training.balancing.pairwise_gradients import ConeProjector, GradientBalancing

__all__ = ["Priorities"]


class Priorities(GradientBalancing):
    """Projects each task's gradient onto the cone in which no task of higher `priority` sees its loss rise, then sums.

    The projection is that of UPGrad (Quinton and Rey, 2024, eq. 3), taken over the higher tasks alone. Tasks of equal priority
    do not restrain each other. The promise is one of first order, before Adam scales the step.
    """

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        super().__init__(tasks)
        self._priorities_T = torch.tensor([task.priority for task in tasks])
        self._project = ConeProjector()

    def weigh(self, pairwise_KK: Tensor, tasks_K: Tensor) -> Tensor:
        """Sum of each task's projection, in terms of all gradients."""
        priorities_K = self._priorities_T[tasks_K]
        weights_K = torch.zeros(len(tasks_K), dtype=pairwise_KK.dtype)
        for task, priority in enumerate(priorities_K):
            higher = (priorities_K > priority).nonzero().squeeze(1)
            weights_K[task] += 1.0
            if not (pairwise_KK[task, higher] < 0.0).any():
                continue
            # Projecting onto the cone of the higher ones and of the task itself is the same: it ends on its own side.
            members = torch.cat((higher, torch.tensor([task])))
            chosen = torch.zeros(len(members), dtype=pairwise_KK.dtype)
            chosen[-1] = 1.0
            weights_K[members] += self._project(chosen, PSDMatrix(pairwise_KK[members][:, members])) - chosen
        return weights_K
