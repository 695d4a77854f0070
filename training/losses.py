"""Losses: pure functions from outputs and labels to numbers, passing over unknown labels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.censoring import censored_losses

__all__ = ["ROBUST_BEYOND", "prediction_losses", "task_losses"]

ROBUST_BEYOND = 4.0
"""Standard deviations of error past which a regression's loss grows linearly, not by the square."""
_LEAST_CHANCE = 1e-6


def task_losses(
    outputs_BT: Tensor, labels_BT: Tensor, lower_bounds_BT: Tensor, *, binary_T: Tensor, deviation_T: Tensor
) -> Tensor:
    """Loss of each task, (T,): log loss of binary ones, Huber (1964) of others, with errors in standard deviations.

    Each is a sum over the known labels, divided by B: every known label weighs the same, and a task with one label in a batch
    does not shout as loud as one with all. A task without labels gives 0. Censored labels: see training/censoring.py.

    Args:
        outputs_BT: logits, or values in training space.
        labels_BT: labels in training space; NaN where unknown.
        lower_bounds_BT: of censored labels, in training space; NaN for all others.
        binary_T: True for binary tasks.
        deviation_T: standard deviation of each task's labels.
    """
    known_BT = ~labels_BT.isnan()
    # Unknown labels are replaced before the losses: NaN times zero is NaN, in the gradient too.
    labels_BT = torch.where(known_BT, labels_BT, 0.0)
    log_loss_BT = F.binary_cross_entropy_with_logits(outputs_BT, torch.where(binary_T, labels_BT, 0.0), reduction="none")
    losses_BT = torch.where(binary_T, log_loss_BT, _robust((outputs_BT - labels_BT) / deviation_T))
    losses_BT = torch.where(known_BT, losses_BT, 0.0)
    if (censored_BT := ~lower_bounds_BT.isnan()).any():
        errors_BT = (outputs_BT - torch.where(censored_BT, lower_bounds_BT, 0.0)) / deviation_T
        losses_BT = torch.where(censored_BT, censored_losses(errors_BT, robust_beyond=ROBUST_BEYOND), losses_BT)
    return losses_BT.sum(0) / len(labels_BT)


def prediction_losses(
    predictions_BT: Tensor,
    labels_BT: Tensor,
    lower_bounds_BT: Tensor | None = None,
    *,
    binary_T: Tensor,
    deviation_T: Tensor,
) -> Tensor:
    """The same losses of single predictions, (B, T), NaN where the label is unknown; without bounds, where it is censored too.

    Args:
        predictions_BT: as `Recommender.expectation` gives them: probabilities of binary tasks, else values in training space.
        labels_BT, lower_bounds_BT, binary_T, deviation_T: as in `task_losses`.
    """
    chances_BT = predictions_BT.clamp(_LEAST_CHANCE, 1.0 - _LEAST_CHANCE)
    log_loss_BT = -torch.where(labels_BT > 0.5, chances_BT, 1.0 - chances_BT).log()
    losses_BT = torch.where(binary_T, log_loss_BT, _robust((predictions_BT - labels_BT) / deviation_T))
    losses_BT = torch.where(labels_BT.isnan(), torch.nan, losses_BT)
    if lower_bounds_BT is None:
        return losses_BT
    censored_BT = censored_losses((predictions_BT - lower_bounds_BT) / deviation_T, robust_beyond=ROBUST_BEYOND)
    return torch.where(lower_bounds_BT.isnan(), losses_BT, censored_BT)


def _robust(errors_BT: Tensor) -> Tensor:
    return F.huber_loss(errors_BT, torch.zeros_like(errors_BT), reduction="none", delta=ROBUST_BEYOND)
