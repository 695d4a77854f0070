"""Gradient surgery and kindred aggregators, as torchjd has them."""

from typing import Literal, assert_never

import torch
from torch import Tensor
from torchjd.aggregation import MGDAWeighting, PCGradWeighting, UPGradWeighting
from torchjd.linalg import PSDMatrix

from feature_repo.tasks import Task
from training.balancing.pairwise_gradients import ConeProjector, GradientBalancing

__all__ = ["Surgery", "SurgeryName"]

SurgeryName = Literal["pcgrad", "upgrad", "mgda"]


class Surgery(GradientBalancing):
    """Weighs gradients so that no task, or none on average, is set back by the others.

    `pcgrad` (Yu et al., NeurIPS 2020, algorithm 1) projects each gradient off those that it conflicts with, one after another in
    random order. `upgrad` (Quinton and Rey, 2024, eq. 4) projects each onto the cone where no task's loss rises. `mgda`
    (Désidéri, 2012; Sener and Koltun, NeurIPS 2018, algorithm 2) takes the shortest vector in the gradients' convex hull.
    """

    steps: Tensor

    def __init__(self, tasks: tuple[Task, ...], name: SurgeryName) -> None:
        super().__init__(tasks)
        self._name = name
        self._weighting = _weighting(name)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def weigh(self, pairwise_KK: Tensor, tasks_K: Tensor) -> Tensor:
        """Weights as the method gives them, on the scale of a sum: where nothing conflicts, pcgrad and upgrad give ones."""
        # PCGrad draws its order from torch's global generator; here each step has its own seed, so that runs repeat.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self.steps))
            weights_K: Tensor = self._weighting(PSDMatrix(pairwise_KK))
        return weights_K if self._name == "pcgrad" else weights_K * len(tasks_K)

    def observe(self, losses_T: Tensor, known_T: Tensor) -> None:
        """Moves on to the next step's seed."""
        self.steps += 1


def _weighting(name: SurgeryName) -> PCGradWeighting | UPGradWeighting | MGDAWeighting:
    match name:
        case "pcgrad":
            return PCGradWeighting()
        case "upgrad":
            return UPGradWeighting(projector=ConeProjector())
        case "mgda":
            return MGDAWeighting()
    assert_never(name)
