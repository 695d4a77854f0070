"""Owns the judgement on a candidate: whether the weights learned so far may replace the published ones."""

import math
from collections.abc import Mapping

from feature_repo.tasks import Task
from training.model import Recommender
from training.progress import Quality

__all__ = ["losses", "objection"]


def losses(tasks: tuple[Task, ...], qualities: Mapping[str, Quality]) -> dict[str, float]:
    """Progressive loss by task, lower is better: log loss of binary ones, else RMSE in training space; only tasks with labels."""
    return {
        task.name: quality.log_loss if task.kind == "binary" and math.isfinite(quality.rmse) else quality.rmse
        for task in tasks
        if (quality := qualities[task.name]).count
    }


def objection(
    model: Recommender, candidate: Mapping[str, float], published: Mapping[str, float], *, worse_at_most: float
) -> str | None:
    """Why a candidate must not be published, in words; None if it may.

    Args:
        candidate: losses of its predictions, made before learning, over the latest examples.
        published: the same as they were when the last snapshot was published; empty before the first.
        worse_at_most: how many times the published loss is still tolerated.
    """
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            return f"weights of {name} are not finite"
    for task, loss in candidate.items():
        if not math.isfinite(loss):
            return f"task {task}: predictions are not finite"
        if task in published and loss > worse_at_most * published[task]:
            return f"task {task}: loss {loss:.4f} is over {worse_at_most:g} times the {published[task]:.4f} of the last snapshot"
    return None
