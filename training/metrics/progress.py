"""Progressive validation: how good predictions were that were made when their items were shown."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy
from torchmetrics.functional.classification import binary_auroc, binary_calibration_error

from feature_repo.tasks import Kind, Task

__all__ = ["Progress", "Quality"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """How one task's predictions compare with its labels, in training space; NaN where nothing can be said."""

    count: int
    """Labels compared."""
    rmse: float
    """Root mean squared error: of probabilities, log1p seconds, or values."""
    calibration: float
    """Mean prediction over mean label, of durations in seconds: 1 is right, above 1 is too high."""
    auc: float = math.nan
    """Binary tasks: chance that a positive is scored above a negative; needs both."""
    log_loss: float = math.nan
    """Binary tasks: nats for each label."""
    normalised_entropy: float = math.nan
    """Binary tasks: log loss over that of always saying the mean label (He et al., ADKDD 2014, section 3); lower is better."""
    xauc: float = math.nan
    """Other tasks: share of pairs of labels that predictions order rightly (Zhan et al., KDD 2022, section 5); .5 is chance."""
    mae_seconds: float = math.nan
    """Durations: mean absolute error of the seconds that the log1p seconds mean."""
    calibration_error: float = math.nan
    """Binary tasks: expected calibration error over 15 bins of equal width (Guo et al., 2017, eq. 3)."""


_XAUC_PAIRS = 20_000


class Progress:
    """Remembers the last `capacity` examples' predictions and labels, and judges any stretch of them when asked."""

    def __init__(self, tasks: tuple[Task, ...], *, capacity: int = 200_000) -> None:
        if capacity < 1:
            raise ValueError(f"Progress: capacity must be 1 or more, not {capacity}")
        self.tasks = tasks
        self._capacity = capacity
        self._blocks: deque[Tensor] = deque()
        self._size = 0

    def __len__(self) -> int:
        return min(self._size, self._capacity)

    def add(self, predictions_BT: Tensor, labels_BT: Tensor) -> None:
        """Remembers predictions and labels as a `StepReport` has them; NaN labels are unknown."""
        self._blocks.append(torch.stack((predictions_BT, labels_BT)))
        self._size += len(labels_BT)
        while self._size - self._blocks[0].shape[1] >= self._capacity:
            self._size -= self._blocks.popleft().shape[1]

    def quality(self, last: int | None = None) -> dict[str, Quality]:
        """By task, over the last `last` examples, or over all that are remembered."""
        pairs_2BT = self._pairs()
        return self._judge(pairs_2BT if last is None else pairs_2BT[:, max(len(self) - last, 0) :])

    def curve(self, window: int) -> list[dict[str, Quality]]:
        """By task, over each full window of `window` examples in turn, oldest first."""
        pairs_2BT = self._pairs()
        return [self._judge(pairs_2BT[:, start : start + window]) for start in range(0, len(self) - window + 1, window)]

    def state_dict(self) -> dict[str, Any]:
        """What is remembered, as `torch.load(weights_only=True)` accepts it."""
        return {"pairs": self._pairs()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a saved state; raises ValueError if it is of another number of tasks."""
        pairs_2BT = state["pairs"]
        if pairs_2BT.shape[2] != len(self.tasks):
            raise ValueError(f"Progress: the saved state has {pairs_2BT.shape[2]} tasks, but {len(self.tasks)} are declared")
        self._blocks = deque([pairs_2BT.clone()])
        self._size = pairs_2BT.shape[1]

    def _pairs(self) -> Tensor:
        if not self._blocks:
            return torch.zeros(2, 0, len(self.tasks))
        return torch.cat(tuple(self._blocks), dim=1)[:, -self._capacity :]

    def _judge(self, pairs_2BT: Tensor) -> dict[str, Quality]:
        return {task.name: _quality(*pairs_2BT[:, :, index], kind=task.kind) for index, task in enumerate(self.tasks)}


def _quality(predictions_B: Tensor, labels_B: Tensor, *, kind: Kind) -> Quality:
    known_B = ~labels_B.isnan()
    predictions, labels = predictions_B[known_B], labels_B[known_B]
    if not len(labels):
        return Quality(count=0, rmse=math.nan, calibration=math.nan)
    rmse = float((predictions - labels).square().mean().sqrt())
    mean = float(labels.mean())
    calibration = _ratio(*(each.expm1() if kind == "duration" else each for each in (predictions, labels)))
    # A prediction that is not finite has no rank and no bin; the NaN of the error says what happened.
    if not math.isfinite(rmse):
        return Quality(count=len(labels), rmse=rmse, calibration=calibration)
    if kind != "binary":
        mae = float((predictions.expm1() - labels.expm1()).abs().mean()) if kind == "duration" else math.nan
        ordered = _xauc(predictions, labels)
        return Quality(count=len(labels), rmse=rmse, calibration=calibration, xauc=ordered, mae_seconds=mae)
    classes = labels.long()
    both = 0.0 < mean < 1.0
    log_loss = float(binary_cross_entropy(predictions, labels))
    entropy = -mean * math.log(mean) - (1.0 - mean) * math.log1p(-mean) if both else math.nan
    return Quality(
        count=len(labels),
        rmse=rmse,
        calibration=calibration,
        auc=float(binary_auroc(predictions, classes, validate_args=False)) if both else math.nan,
        log_loss=log_loss,
        normalised_entropy=log_loss / entropy,
        calibration_error=float(binary_calibration_error(predictions, classes, n_bins=15, validate_args=False)),
    )


def _ratio(predictions: Tensor, labels: Tensor) -> float:
    mean = float(labels.mean())
    return float(predictions.mean()) / mean if mean else math.nan


def _xauc(predictions: Tensor, labels: Tensor) -> float:
    """Over pairs drawn at random, the same every time: all pairs of 200,000 labels are too many. Equal labels are no pair."""
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randint(len(labels), (2, _XAUC_PAIRS), generator=generator)
    predicted, observed = (predictions[one] - predictions[other]).sign(), (labels[one] - labels[other]).sign()
    differ = observed != 0.0
    return float(((predicted * observed)[differ] + 1.0).mean() / 2.0) if differ.any() else math.nan
