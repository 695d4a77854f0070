"""Judgement on weights, by task: whether those learned so far may take the place of the last good ones."""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from feature_repo.tasks import Task
from training.batch import Batch
from training.censoring import completed
from training.losses import prediction_losses
from training.model import Recommender

__all__ = ["LEAST_LOSS", "REASONS", "STANDARD_ERRORS", "Bounds", "Judgement", "Objection", "Reason", "exceeds", "judge"]

Reason = Literal["not_finite", "norm", "surprise", "reference", "loss", "mean", "calibration"]
REASONS: tuple[Reason, ...] = get_args(Reason)

STANDARD_ERRORS = 3.0
"""Of a difference, below which it may be chance."""
LEAST_LOSS = 0.002
"""Nats, or half squared deviations: a difference in loss below it harms nobody, however many times it is of next to nothing."""
_LEAST_CHANCE = 0.002
_LEAST_SECONDS = 1.0
"""The same of a mean chance and of mean seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """How far weights may be from good. A bound counts as broken only where chance would hardly do it: past 3 standard errors."""

    worse_at_most: float = 1.03
    """Times the loss of the last good weights, and times that of always saying the mean label, on the same held-out examples."""
    surprise_at_most: float = 1.5
    """Times the usual progressive loss; labels that surprise more are not learned from until they have come for a while."""
    reference_at_most: float = 1.05
    """Times the least loss so far on examples held out long ago; see `training.release.reference`."""
    calibration_at_most: float = 1.5
    """Times that mean prediction and mean label may differ, either way."""
    norm_at_most: float = 2.0
    """Times the norm of the last good weights."""
    labels_at_least: int = 50
    """Held-out labels of a task below which nothing is said of it."""
    labels_at_most: int = 256
    """The latest held-out labels of a task, by which it is judged. Older ones speak of another time, such as a beginning,
    when clicks are known and what was passed over is not."""

    def __post_init__(self) -> None:
        for name in ("worse_at_most", "surprise_at_most", "reference_at_most", "calibration_at_most", "norm_at_most"):
            if not (math.isfinite(value := getattr(self, name)) and value > 1.0):
                raise ValueError(f"Bounds: {name} is a factor above 1, not {value}")
        if self.labels_at_least < 2:
            raise ValueError(f"Bounds: labels_at_least must be 2 or more, not {self.labels_at_least}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Objection:
    """Why weights are refused, with a message; `task` is empty where it is about all of them."""

    reason: Reason
    detail: str
    task: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What speaks against weights."""

    whole: Objection | None = None
    """Against all of them, whatever the task."""
    tasks: dict[str, Objection | None] = field(default_factory=dict)
    """By task that could be judged: the objection, None where it passes."""

    @property
    def objections(self) -> dict[str, Objection]:
        """By task that does not pass."""
        return {task: found for task, found in self.tasks.items() if found is not None}


@torch.inference_mode()
def judge(candidate: Recommender, good: Recommender | None, holdout: Batch | None, bounds: Bounds) -> Judgement:
    """Whether the candidate may take the place of `good`, by task.

    A task cannot be judged by few labels, nor a binary one by labels that are all alike where nothing speaks against it.

    Args:
        candidate: the weights as they stand.
        good: the last that passed; None before the first.
        held_out: recent examples that neither was learned from, the oldest first; None while there are none.
    """
    for name, tensor in candidate.state_dict().items():
        if not tensor.isfinite().all():
            return Judgement(whole=Objection(reason="not_finite", detail=f"{name} is not finite"))
    if good is not None and (ratio := _norm(candidate) / _norm(good)) > bounds.norm_at_most:
        detail = f"weights are {ratio:.2f} times as long as the last good ones"
        return Judgement(whole=Objection(reason="norm", detail=detail))
    if holdout is None:
        return Judgement()
    outputs_BT = candidate(holdout)
    expected_BT = candidate.expectation(outputs_BT)
    own_BT = torch.where(candidate.calibration.duration_T, candidate.calibration.seconds(outputs_BT), expected_BT)
    good_BT = None if good is None else good.expectation(good(holdout))
    completed_BT = completed(outputs_BT, holdout.labels_BT, holdout.lower_bounds_BT, candidate.targets.deviation)
    tasks: dict[str, Objection | None] = {}
    for index, task in enumerate(candidate.vocabulary.tasks):
        known = (~completed_BT[:, index].isnan()).nonzero()[-bounds.labels_at_most :, 0]
        labels, lower_bounds = holdout.labels_BT[known, index], holdout.lower_bounds_BT[known, index]
        whole = labels[~labels.isnan()]
        if len(whole) < bounds.labels_at_least:
            continue
        theirs = None if good_BT is None else good_BT[known, index]
        found = _loss_objection(
            task, labels, lower_bounds, expected_BT[known, index], theirs, bounds.worse_at_most
        ) or _calibration_objection(task, completed_BT[known, index], own_BT[known, index], bounds.calibration_at_most)
        if found is not None or task.kind != "binary" or whole.min() < whole.max():
            tasks[task.name] = found
    return Judgement(tasks=tasks)


def _loss_objection(
    task: Task, labels: Tensor, lower_bounds: Tensor, mine: Tensor, good: Tensor | None, worse_at_most: float
) -> Objection | None:
    whole = labels[~labels.isnan()]
    options = {"binary_T": torch.tensor(task.kind == "binary"), "deviation_T": whole.std().clamp_min(1e-3)}
    mine = prediction_losses(mine, labels, lower_bounds, **options)
    if not mine.isfinite().all():
        return Objection(reason="not_finite", task=task.name, detail="predictions are not finite")
    rivals: list[tuple[Reason, str, Tensor]] = []
    if whole.min() < whole.max():  # of labels that are all alike the mean is never wrong
        rivals.append(("mean", "always saying the mean label", whole.mean().expand(len(labels))))
    if good is not None:
        rivals.append(("loss", "the last good weights", good))
    for reason, name, predictions in rivals:
        theirs = prediction_losses(predictions, labels, lower_bounds, **options)
        if exceeds(mine, theirs, worse_at_most, least=LEAST_LOSS):
            detail = f"loss {float(mine.mean()):.4f} on {len(mine)} held-out labels, that of {name} {float(theirs.mean()):.4f}"
            return Objection(reason=reason, task=task.name, detail=detail)
    return None


def _calibration_objection(task: Task, labels: Tensor, predicted: Tensor, times: float) -> Objection | None:
    if task.kind == "regression":
        return None  # a value may have any mean, zero too, so a ratio says nothing
    # In seconds for a duration: the ratio of two means of log seconds would hardly move.
    observed = labels.expm1() if task.kind == "duration" else labels
    least, chance = _LEAST_SECONDS, 0.0
    if task.kind == "binary":
        # Where labels are all alike, they vary less than chance would have them: what the prediction itself says counts then.
        least, chance = _LEAST_CHANCE, float((predicted - predicted.square()).mean())
    either_way = ((predicted, observed), (observed, predicted))
    if not any(exceeds(one, other, times, least=least, variance=chance) for one, other in either_way):
        return None
    detail = f"mean prediction {float(predicted.mean()):.4g}, mean label {float(observed.mean()):.4g}"
    return Objection(reason="calibration", task=task.name, detail=detail)


def _norm(model: Recommender) -> float:
    return math.sqrt(sum(float(weight.square().sum()) for weight in model.parameters()))


def exceeds(mine: Tensor, theirs: Tensor, times: float, *, least: float, variance: float = 0.0) -> bool:
    """Whether the mean of `mine` is over so many times that of `theirs`, by more than chance: the two are compared in pairs.

    Args:
        least: what the means must differ by.
        variance: the least that a single difference varies by.
    """
    more = mine - theirs
    error = math.sqrt(max(float(more.var()), variance) / len(more))
    difference = float(more.mean())
    return float(mine.mean()) > times * float(theirs.mean()) and difference > max(STANDARD_ERRORS * error, least)
