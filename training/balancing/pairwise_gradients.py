"""Balancing by pairwise products of the tasks' gradients, and projection onto the cone where no loss rises."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor, nn
from torchjd.linalg import DualConeProjector, PSDMatrix

from training.balancing.protocol import Balancing

__all__ = ["ConeProjector", "GradientBalancing"]


class ConeProjector(DualConeProjector):
    """Projects onto the dual cone of the gradients, where no task's loss rises (Quinton and Rey, 2024, proposition 1).

    The quadratic program min v'Gv subject to v >= u is one of non-negative least squares in v - u, as G = A'A: it is solved
    exactly, by an active set (Lawson and Hanson, 1974, algorithm NNLS). Gradients are scaled to length one, so that short ones
    count as much as long ones.
    """

    def __call__(self, U: Tensor, G: PSDMatrix) -> Tensor:
        """Weights (..., K) of the projection of each vector of weights in `U`; `G` is the products of the gradients, (K, K)."""
        products_KK = G.detach().cpu().numpy().astype(np.float64)
        lengths_K = np.sqrt(np.diag(products_KK))
        lengths_K[lengths_K == 0.0] = 1.0
        values_K, vectors_KK = np.linalg.eigh(products_KK / np.outer(lengths_K, lengths_K))
        root_KK = np.sqrt(values_K.clip(0.0))[:, None] * vectors_KK.T
        u_NK = U.detach().cpu().numpy().astype(np.float64).reshape(-1, len(lengths_K))
        v_NK = np.stack([_project(u_K * lengths_K, root_KK) / lengths_K for u_K in u_NK])
        return torch.as_tensor(v_NK, dtype=G.dtype, device=G.device).reshape(U.shape)


def _project(u_K: NDArray[np.float64], root_KK: NDArray[np.float64]) -> NDArray[np.float64]:
    added_K, _ = nnls(root_KK, -root_KK @ u_K)
    projected_K: NDArray[np.float64] = u_K + added_K
    return projected_K


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
