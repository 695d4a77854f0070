"""Balancing by weights on the losses: fixed, by uncertainty, by each task's progress."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from feature_repo.tasks import Task
from training.balancing.protocol import Balancing

__all__ = ["DynamicWeights", "FixedWeights", "Uncertainty"]


class FixedWeights(Balancing):
    """Each task weighs what the tasks file says, as a share of the whole."""

    def combine(self, losses_T: Tensor, known_T: Tensor) -> Tensor:
        """The scalar that is descended."""
        return losses_T @ self.shares_T

    def backward(self, losses_T: Tensor, known_T: Tensor, *, shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter]) -> None:
        """Descends the combined loss."""
        self.combine(losses_T, known_T).backward()  # type: ignore[no-untyped-call]  # torch does not type it


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


TEMPERATURE = 2.0
"""The paper's; higher makes weights more even."""
MEMORIES = (50.0, 500.0)
"""Batches, fully labelled, that the recent and the earlier mean loss of a task look back on."""


class DynamicWeights(FixedWeights):
    """Dynamic weight average (Liu, Johns and Davison, CVPR 2019, eq. 7), on a stream.

    A task's factor is K softmax(r / temperature), where r is its loss now over its loss before: the factor grows where a loss
    falls slowest or rises. The paper compares epochs; here two running means of the loss per label, over a short and a long
    memory, stand for this epoch and the last. Factors multiply the tasks file's weights; those of stalled tasks are 1.
    """

    sums_2T: Tensor
    counts_2T: Tensor
    memories_2T: Tensor

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        super().__init__(tasks)
        self.register_buffer("sums_2T", torch.zeros(2, len(tasks)))
        self.register_buffer("counts_2T", torch.zeros(2, len(tasks)))
        self.register_buffer("memories_2T", torch.tensor(MEMORIES).unsqueeze(1).expand(2, len(tasks)).clone(), persistent=False)

    def combine(self, losses_T: Tensor, known_T: Tensor) -> Tensor:
        """Weighted by shares times factors."""
        return losses_T @ (self.shares_T * self.factors())

    def factors(self) -> Tensor:
        """Factor of each task, (T,), 1 on average."""
        recent_T, before_T = self.sums_2T / self.counts_2T.clamp_min(1e-12)
        progress_T = torch.where(before_T > 0, recent_T / before_T, 1.0)
        return len(progress_T) * (progress_T / TEMPERATURE).softmax(0)

    @torch.no_grad()
    def observe(self, losses_T: Tensor, known_T: Tensor) -> None:
        """Follows each task's loss; a batch's labels count as its share of known ones, so that rare tasks forget slowly."""
        kept_2T = 1.0 - known_T / self.memories_2T
        self.sums_2T.mul_(kept_2T).add_(losses_T)
        self.counts_2T.mul_(kept_2T).add_(known_T)
