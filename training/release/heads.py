"""A task's own part of a model's state: its head, its private network, its calibration and the scale of its labels."""

import re

import torch
from torch import Tensor

from training.model import Recommender

__all__ = ["begin_head", "head_of", "put_head"]

_ROWS = ("heads.weight_TH", "heads.skip.weight", "heads.skip.bias")
_COLUMNS = (
    *("calibration.slope_T", "calibration.offset_T", "calibration.curvature_3T", "calibration.seconds_3T"),
    *("targets.mean", "targets.variance", "targets.count"),
)
_TOWER = re.compile(r"trunk\.(?:private\.)?towers\.(\d+)\.")


def head_of(state: dict[str, Tensor], task: int) -> dict[str, Tensor]:
    """Copies of what a model's state holds for one task alone, by name."""
    return {name: part.clone() for name, part in _own(state, task)}


def put_head(state: dict[str, Tensor], task: int, head: dict[str, Tensor]) -> None:
    """Puts what `head_of` gave into another state of the same shape, in place."""
    for name, part in _own(state, task):
        part.copy_(head[name])


def begin_head(model: Recommender, task: int) -> None:
    """Lets a task be predicted by its counters alone, as before anything was learned; the scale of its labels stays."""
    with torch.random.fork_rng(devices=[]):  # first weights are drawn; everyone else's draws stay as they were
        begun = Recommender(model.config, model.vocabulary)
    state, first = model.state_dict(), head_of(begun.state_dict(), task)
    for name, part in _own(state, task):
        if not name.startswith(("targets.", "trunk.")):
            part.copy_(first[name])


def _own(state: dict[str, Tensor], task: int) -> list[tuple[str, Tensor]]:
    rows = [(name, state[name][task]) for name in _ROWS]
    columns = [(name, state[name][..., task]) for name in _COLUMNS]
    towers = [(name, part) for name, part in state.items() if (found := _TOWER.match(name)) and int(found[1]) == task]
    return rows + columns + towers
