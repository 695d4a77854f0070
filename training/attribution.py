"""Integrated gradients from an average user and item to a given pair: how much each input moved a prediction.

Shape suffixes are listed in training/batch.py; S steps along the path.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.batch import Batch
from training.model import Recommender

__all__ = ["Attribution", "attribute"]

_STEPS = 64


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Attribution:
    """Contributions to one prediction for each task, in its own unit; they sum to `values_T` less `baseline_T`."""

    values_T: Tensor
    baseline_T: Tensor
    """Predicted where every feature is at its running mean, without text and history; learned vectors of ids are in it."""
    features_TF: Tensor
    item_T: Tensor
    """Of the item's text."""
    history_TN: Tensor
    """Of each item of the history: its text, the user's liking of it and its age, as the attention sees them."""


def attribute(model: Recommender, batch: Batch, *, steps: int = _STEPS) -> Attribution:
    """Attributes the predictions of a batch of one example.

    Integrated gradients (Sundararajan et al., ICML 2017, eq. 1, by the midpoint rule): the gradient of the prediction, averaged
    over the straight path from the baseline to the example, times the way gone. By their proposition 1 the contributions sum to
    the difference of the two predictions, up to the error of the rule.

    Raises:
        ValueError: the batch has not exactly one example.
    """
    if len(batch) != 1:
        raise ValueError(f"attribute: the batch has {len(batch)} examples; give one")
    base_F = model.features.mean
    told_F = model.visible(batch.x_BF)[0]
    x_F = torch.where(told_F.isnan(), base_F, told_F)
    item_D, history_ND = batch.vectors_VD[batch.item_B[0]], batch.vectors_VD[batch.history_BN[0]]
    ends = (x_F - base_F, item_D, history_ND, batch.history_values_BNS[0])
    middles_S = (torch.arange(steps) + 0.5) / steps
    moved = [middles_S.view(-1, *[1] * end.dim()) * end for end in ends]
    for part in moved:
        part.requires_grad_(True)
    with torch.enable_grad():
        values_ST = model.in_units(model(_along(batch, base_F + moved[0], *moved[1:])))
    ways = []
    for task in range(values_ST.shape[1]):
        gradients = torch.autograd.grad(values_ST[:, task].sum(), moved, retain_graph=True, allow_unused=True)
        ways.append(
            [torch.zeros_like(end) if slope is None else slope.mean(0) * end for slope, end in zip(gradients, ends, strict=True)]
        )
    with torch.no_grad():
        still = [torch.zeros_like(end)[None] for end in ends]
        baseline_T = model.in_units(model(_along(batch, base_F + still[0], *still[1:])))[0]
        values_T = model.in_units(model(batch))[0]
    return Attribution(
        values_T=values_T,
        baseline_T=baseline_T,
        features_TF=torch.stack([way[0] for way in ways]),
        item_T=torch.stack([way[1].sum() for way in ways]),
        history_TN=torch.stack([way[2].sum(1) + way[3].sum(1) for way in ways]),
    )


def _along(batch: Batch, x_SF: Tensor, item_SD: Tensor, history_SND: Tensor, values_SNS: Tensor) -> Batch:
    """The example at every step, each with text vectors of its own."""
    steps, places, dimensions = history_SND.shape
    own_SVD = torch.cat((item_SD.unsqueeze(1), history_SND), dim=1)
    starts_S = 1 + torch.arange(steps) * (1 + places)
    return Batch(
        x_BF=x_SF,
        vectors_VD=torch.cat((torch.zeros(1, dimensions), own_SVD.reshape(-1, dimensions))),
        item_B=starts_S,
        history_BN=starts_S.unsqueeze(1) + 1 + torch.arange(places),
        history_values_BNS=values_SNS,
        history_mask_BN=batch.history_mask_BN.expand(steps, -1),
        labels_BT=batch.labels_BT.expand(steps, -1),
        lower_bounds_BT=batch.lower_bounds_BT.expand(steps, -1),
        ids_B3=batch.ids_B3.expand(steps, -1),
    )
