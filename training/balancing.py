"""Owns how the losses of the tasks become the one that is descended."""

from typing import Protocol

import torch
from torch import Tensor

from feature_repo.tasks import Task

__all__ = ["Balancing", "FixedWeights"]


class Balancing(Protocol):
    """Turns the losses of one step into a scalar."""

    def combine(self, losses_T: Tensor) -> Tensor:
        """The scalar loss of this step."""
        ...


class FixedWeights:
    """Each task weighs what the tasks file says, as a share of the whole."""

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        weights_T = torch.tensor([task.weight for task in tasks])
        self._shares_T = weights_T / weights_T.sum()

    def combine(self, losses_T: Tensor) -> Tensor:
        """Weighted mean of the losses."""
        return losses_T @ self._shares_T
