"""Interface of every balancing method."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from feature_repo.tasks import Task

__all__ = ["Balancing"]


class Balancing(nn.Module):
    """Turns the losses of one step into gradients.

    Being a module, its parameters (learned along with the model's) and buffers are part of every checkpoint. `backward` changes
    neither: a step may still be refused after it.
    """

    shares_T: Tensor

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        super().__init__()
        weights_T = torch.tensor([task.weight for task in tasks])
        self.register_buffer("shares_T", weights_T / weights_T.sum(), persistent=False)

    def backward(self, losses_T: Tensor, known_T: Tensor, *, shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter]) -> None:
        """Leaves the gradient to descend in `.grad`.

        Args:
            losses_T: as `task_losses` gives them; 0 for a task without labels in this batch.
            known_T: labels of each task in this batch, over the batch's size.
            shared: parameters that serve several tasks, whose gradients may conflict.
            own: parameters of which each part serves one task.
        """
        raise NotImplementedError

    def observe(self, losses_T: Tensor, known_T: Tensor) -> None:
        """Takes in the losses of a step that was taken; for methods that follow progress."""
