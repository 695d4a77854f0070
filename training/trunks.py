"""Trunks, where the features of user and item meet before the heads: shared-bottom, MMoE, shared-private, separate."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

__all__ = ["TRUNKS", "MMoE", "Separate", "SharedBottom", "SharedPrivate", "TrunkName", "build_trunk"]

TrunkName = Literal["shared_bottom", "mmoe", "shared_private", "separate"]
TRUNKS: tuple[TrunkName, ...] = get_args(TrunkName)


def _layers(inputs: int, hidden: Sequence[int]) -> nn.Sequential:
    widths = (inputs, *hidden)
    steps = ((nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths))
    return nn.Sequential(*(layer for step in steps for layer in step))


class SharedBottom(nn.Module):
    """One network that all tasks share (Caruana, 1997)."""

    def __init__(self, inputs: int, hidden: Sequence[int], *, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks
        self.bottom = _layers(inputs, hidden)

    def forward(self, z_BI: Tensor) -> Tensor:
        """Hidden state for each task, (B, T, H); here the same for all."""
        h_BH: Tensor = self.bottom(z_BI)
        return h_BH.unsqueeze(1).expand(-1, self.tasks, -1)


class MMoE(nn.Module):
    """Several expert networks, mixed for each task by a gate of its own (Ma et al., KDD 2018, section 4.2)."""

    def __init__(self, inputs: int, hidden: Sequence[int], *, tasks: int, experts: int) -> None:
        super().__init__()
        self.tasks, self.count = tasks, experts
        self.experts = nn.ModuleList(_layers(inputs, hidden) for _ in range(experts))
        self.gates = nn.Linear(inputs, tasks * experts)

    def forward(self, z_BI: Tensor) -> Tensor:
        """Hidden state for each task, (B, T, H)."""
        h_BKH = torch.stack([expert(z_BI) for expert in self.experts], dim=1)
        gates_BTK = self.gates(z_BI).view(-1, self.tasks, self.count).softmax(dim=2)
        h_BTH: Tensor = gates_BTK @ h_BKH
        return h_BTH


class Separate(nn.Module):
    """A network for each task, so that none can disturb another; they meet only in what a ranking makes of their scores."""

    def __init__(self, inputs: int, hidden: Sequence[int], *, tasks: int) -> None:
        super().__init__()
        self.towers = nn.ModuleList(_layers(inputs, hidden) for _ in range(tasks))

    def forward(self, z_BI: Tensor) -> Tensor:
        """Hidden state for each task, (B, T, H)."""
        return torch.stack([tower(z_BI) for tower in self.towers], dim=1)


class SharedPrivate(nn.Module):
    """A network that all tasks share plus one of each task's own (Liu, Qiu and Huang, ACL 2017, section 3.2; here added up).

    No other task reaches a task's own network, so a rare label is not drowned there, and what tasks have in common is still
    learned from all of them. Own networks are half as wide: what is left to them is little, and each candidate pays for them.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], *, tasks: int) -> None:
        super().__init__()
        self.shared = SharedBottom(inputs, hidden, tasks=tasks)
        halves = [max(1, width // 2) for width in hidden[:-1]]
        self.private = Separate(inputs, (*halves, hidden[-1]), tasks=tasks)

    def forward(self, z_BI: Tensor) -> Tensor:
        """Hidden state for each task, (B, T, H)."""
        h_BTH: Tensor = self.shared(z_BI) + self.private(z_BI)
        return h_BTH


def build_trunk(name: TrunkName, inputs: int, hidden: Sequence[int], *, tasks: int, experts: int) -> nn.Module:
    """The trunk called `name`, from `inputs` columns to (B, tasks, hidden[-1])."""
    match name:
        case "shared_bottom":
            return SharedBottom(inputs, hidden, tasks=tasks)
        case "mmoe":
            return MMoE(inputs, hidden, tasks=tasks, experts=experts)
        case "shared_private":
            return SharedPrivate(inputs, hidden, tasks=tasks)
        case "separate":
            return Separate(inputs, hidden, tasks=tasks)
    raise ValueError(f"trunk {name!r} is unknown; choose one of {', '.join(TRUNKS)}")
