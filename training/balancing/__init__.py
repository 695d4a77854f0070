"""Balancing of task losses into one step: one method a file, chosen by name."""

from typing import Literal, get_args

from feature_repo.tasks import Task
from training.balancing.priorities import Priorities
from training.balancing.protocol import Balancing
from training.balancing.surgery import Surgery
from training.balancing.weights import DynamicWeights, FixedWeights, Uncertainty

__all__ = ["BALANCINGS", "Balancing", "BalancingName", "build_balancing"]

BalancingName = Literal["fixed", "dynamic", "uncertainty", "pcgrad", "upgrad", "mgda", "priorities"]
BALANCINGS: tuple[BalancingName, ...] = get_args(BalancingName)


def build_balancing(name: BalancingName, tasks: tuple[Task, ...]) -> Balancing:
    """The method called `name`; docs/concepts/balance.md says which to choose."""
    match name:
        case "fixed":
            return FixedWeights(tasks)
        case "dynamic":
            return DynamicWeights(tasks)
        case "uncertainty":
            return Uncertainty(tasks)
        case "priorities":
            return Priorities(tasks)
        case "pcgrad" | "upgrad" | "mgda":
            return Surgery(tasks, name)
    raise ValueError(f"balancing {name!r} is unknown; choose one of {', '.join(BALANCINGS)}")
