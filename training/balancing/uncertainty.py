"""Owns uncertainty weighting: less for the tasks whose labels are noisier, learned along with the model."""

import torch
from torch import Tensor, nn

from feature_repo.tasks import Task
from training.balancing.fixed import FixedWeights

__all__ = ["Uncertainty"]


class Uncertainty(FixedWeights):
    """Homoscedastic uncertainty (Kendall, Gal and Cipolla, CVPR 2018, eq. 7 and 10), in its log-variance form.

    Each known label adds exp(-s) * loss + s / 2, with s the learned log variance of its task: at rest a task weighs
    1 / (2 * its mean loss). The tasks file's weights multiply the whole, so they shift the balance but not s.
    """

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        super().__init__(tasks)
        self.log_variance_T = nn.Parameter(torch.zeros(len(tasks)))

    def combine(self, losses_T: Tensor, known_T: Tensor) -> Tensor:
        """The negative log likelihood of the known labels."""
        return (losses_T * (-self.log_variance_T).exp() + 0.5 * known_T * self.log_variance_T) @ self.shares_T
