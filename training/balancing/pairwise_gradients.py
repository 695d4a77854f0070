"""Owns the form of all methods that weigh the gradients of tasks against each other, not their losses."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchjd.linalg import QuadprogProjector

from training.balancing.protocol import Balancing

__all__ = ["GradientBalancing", "cone_projector"]


def cone_projector() -> QuadprogProjector:
    """Projects onto the cone where no loss rises.

    torchjd's own tolerances pass over gradients that are short (of 0.01 altogether) or much shorter than others; in float64
    these are safe.
    """
    return QuadprogProjector(norm_eps=1e-20, reg_eps=1e-9)


class GradientBalancing(Balancing):
    """Combines one gradient per task, each already scaled by its share; a step costs a backward pass for each labelled task.

    Shape suffix P: entries of all parameters.
    """

    def weigh(self, pairwise_KK: Tensor, tasks_K: Tensor) -> Tensor:
        """Weight of each task's gradient, (K,).

        Args:
            gramian_KK: inner products of the gradients of the shared parameters, float64.
            tasks_K: indices of the K tasks that have labels, two or more.
        """
        raise NotImplementedError

    def backward(self, losses_T: Tensor, known_T: Tensor, *, shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter]) -> None:
        """Shared parameters get the weighted sum of gradients, own ones the plain sum: there, tasks cannot conflict."""
        tasks_K = known_T.nonzero().squeeze(1)
        parameters = (*shared, *own)
        if not len(tasks_K):
            return
        scaled_T = losses_T * self.shares_T
        jacobian_KP = torch.stack([_gradient(scaled_T[task], parameters) for task in tasks_K])
        width = sum(parameter.numel() for parameter in shared)
        common_KP = jacobian_KP[:, :width].double()
        pairwise_KK = common_KP @ common_KP.T
        weights_K = torch.ones(len(tasks_K), dtype=torch.float64)
        # A gradient that is not finite is summed plainly: the trainer sees it in the norm and refuses the step.
        if len(tasks_K) > 1 and pairwise_KK.isfinite().all():
            weights_K = self.weigh(pairwise_KK, tasks_K)
        flat_P = torch.cat(((weights_K @ common_KP).float(), jacobian_KP[:, width:].sum(0)))
        pieces = torch.split(flat_P, [parameter.numel() for parameter in parameters])
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.grad = piece.view_as(parameter)


def _gradient(loss: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    pieces = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([piece.flatten() for piece in pieces])
