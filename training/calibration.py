"""Calibration of scores: corrections that follow the stream, so that a predicted rate or mean is the one that comes."""

import math

import torch
from torch import Tensor, nn

from feature_repo.tasks import Task

__all__ = ["LONGEST_LOG_SECONDS", "Calibration"]

LONGEST_LOG_SECONDS = math.log1p(30 * 86_400.0)
"""No duration above 30 days is predicted, whatever a head says."""
MEMORY = 10_000.0
"""Labels that the correction of a binary task looks back on."""
SECONDS_MEMORY = 2_000.0
"""The same of durations: fewer, for until the model tells types of items apart, the longest one outweighs the others."""
PRIOR = 200.0
"""Labels that "no correction needed" is worth."""
_PRIOR_CURVATURE = 0.25 * PRIOR  # a label at even odds tells 1/4
_LARGEST_LOGIT = 8.0


class Calibration(nn.Module):
    """Per task, a line over the logits of a binary one (Platt, 1999), a factor on the seconds of a duration.

    The line minimises the log loss of predictions made before their labels were known, by one Newton step for each batch with
    exponential forgetting: a recursive form of Platt's fit, with "slope 1, offset 0" as its prior. The slope is kept positive, so
    that no ranking changes. The factor is the mean of the seconds that came over the mean of those predicted: heads learn the
    mean of log seconds, whose exponential lies below the mean of the seconds.
    """

    slope_T: Tensor
    offset_T: Tensor
    curvature_3T: Tensor
    """Discounted sums of the log loss's second derivatives: by slope twice, by slope and offset, by offset twice."""
    seconds_3T: Tensor
    """Discounted sums: seconds predicted, seconds that came, labels."""
    binary_T: Tensor
    duration_T: Tensor

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        super().__init__()
        count = len(tasks)
        self.register_buffer("slope_T", torch.ones(count))
        self.register_buffer("offset_T", torch.zeros(count))
        self.register_buffer("curvature_3T", torch.zeros(3, count))
        self.register_buffer("seconds_3T", torch.zeros(3, count))
        self.register_buffer("binary_T", torch.tensor([task.kind == "binary" for task in tasks]), persistent=False)
        self.register_buffer("duration_T", torch.tensor([task.kind == "duration" for task in tasks]), persistent=False)

    def forward(self, outputs_BT: Tensor) -> Tensor:
        """Corrected outputs in training space; those of durations and regressions are as they were."""
        return torch.where(self.binary_T, outputs_BT * self.slope_T + self.offset_T, outputs_BT)

    def seconds(self, outputs_BT: Tensor) -> Tensor:
        """Seconds, 0 to 30 days, from log1p seconds."""
        predicted_T, came_T, labels_T = self.seconds_3T
        ratio_T = torch.where(predicted_T > 0, came_T / predicted_T, 1.0).clamp(0.2, 5.0)
        factor_T = (ratio_T * labels_T + PRIOR) / (labels_T + PRIOR)
        seconds_BT: Tensor = _seconds(outputs_BT) * factor_T
        return seconds_BT.clamp_max(math.expm1(LONGEST_LOG_SECONDS))

    @torch.no_grad()
    def observe(self, outputs_BT: Tensor, labels_BT: Tensor) -> None:
        """Follows a batch of outputs that were made before these labels were learned from; NaN labels are unknown."""
        known_BT = ~labels_BT.isnan()
        if (binary_BT := known_BT & self.binary_T).any():
            self._fit_lines(outputs_BT, labels_BT.nan_to_num(), binary_BT.float())
        if (duration_BT := known_BT & self.duration_T).any():
            kept_T = 1.0 - duration_BT.sum(0) / SECONDS_MEMORY
            come_3BT = torch.stack((_seconds(outputs_BT), _seconds(labels_BT.nan_to_num()), torch.ones_like(outputs_BT)))
            self.seconds_3T.mul_(kept_T).add_((come_3BT * duration_BT).sum(1))

    def _fit_lines(self, outputs_BT: Tensor, labels_BT: Tensor, known_BT: Tensor) -> None:
        logits_BT = outputs_BT.clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT)
        chances_BT = self(outputs_BT).sigmoid()
        errors_BT = (chances_BT - labels_BT) * known_BT
        information_BT = (chances_BT - chances_BT.square()) * known_BT
        weighted_BT = information_BT * logits_BT
        terms = (known_BT, errors_BT * logits_BT, errors_BT, weighted_BT * logits_BT, weighted_BT, information_BT)
        labels_T, down_slope_T, down_offset_T, *curvature_3T = torch.stack(terms).sum(1)
        share_T = labels_T / MEMORY
        self.curvature_3T.mul_(1.0 - share_T).add_(torch.stack(curvature_3T))
        down_slope_T = down_slope_T + share_T * _PRIOR_CURVATURE * (self.slope_T - 1.0)
        down_offset_T = down_offset_T + share_T * _PRIOR_CURVATURE * self.offset_T
        slopes_T, both_T, offsets_T = self.curvature_3T
        slopes_T, offsets_T = slopes_T + _PRIOR_CURVATURE, offsets_T + _PRIOR_CURVATURE
        determinant_T = slopes_T * offsets_T - both_T.square()
        self.slope_T.sub_((offsets_T * down_slope_T - both_T * down_offset_T) / determinant_T).clamp_(0.2, 5.0)
        self.offset_T.sub_((slopes_T * down_offset_T - both_T * down_slope_T) / determinant_T).clamp_(-5.0, 5.0)


def _seconds(log_BT: Tensor) -> Tensor:
    return log_BT.clamp(0.0, LONGEST_LOG_SECONDS).expm1()
