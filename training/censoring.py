"""Censored labels, of which only a lower bound is known: their loss, and the expected value that stands in for them.

Both take labels to be normal about the output, with the deviation that the task's labels have (Tobin, 1958, Econometrica 26,
section 2). Errors are outputs less lower bounds, in such deviations.
"""

import math

import torch
from torch import Tensor

__all__ = ["censored_losses", "completed"]


def censored_losses(errors: Tensor, *, robust_beyond: float) -> Tensor:
    """Negative log of the chance that the label lies above its bound; linear where the output is farther below it than told.

    >>> [round(loss, 2) for loss in censored_losses(torch.tensor([-2.0, 0.0, 2.0]), robust_beyond=4.0).tolist()]
    [3.78, 0.69, 0.02]
    """
    near = errors.clamp_min(-robust_beyond)
    losses: Tensor = (near - errors) * robust_beyond - torch.special.log_ndtr(near)
    return losses


def completed(outputs_BT: Tensor, labels_BT: Tensor, lower_bounds_BT: Tensor, deviation_T: Tensor) -> Tensor:
    """Labels with the censored ones filled in by what they are on average, given the output and that they reach the bound.

    >>> nan = torch.tensor([[torch.nan]])
    >>> filled = completed(torch.tensor([[3.0]]), nan, torch.tensor([[3.0]]), torch.tensor([1.0]))
    >>> round(float(filled), 3)  # the mean of a normal distribution's upper half
    3.798
    """
    errors_BT = (outputs_BT - lower_bounds_BT) / deviation_T
    log_density_BT = -0.5 * errors_BT.square() - 0.5 * math.log(2.0 * math.pi)
    beyond_BT = (log_density_BT - torch.special.log_ndtr(errors_BT)).exp()  # the inverse Mills ratio
    return torch.where(lower_bounds_BT.isnan(), labels_BT, outputs_BT + deviation_T * beyond_BT)
