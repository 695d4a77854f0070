"""Arithmetic of a plan: from users, items and events per second to processes, partitions and memory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Plan", "SteadyLoad", "plan"]

_BUSY = 0.6
"""Share of a core that is planned for: the rest takes peaks, restarts and the neighbours."""
_FULL = 0.6
"""Share of a Redis node's memory that rows may take: the rest is for copy-on-write and fragmentation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SteadyLoad:
    """What is to be carried, at the peak."""

    users: int
    items: int
    events_per_s: float
    list_size: int = 10
    """Items in an answer, each of which is an impression."""
    impressions: float = 0.9
    """Share of the events that are impressions."""
    active: float = 0.1
    """Share of the users whose rows are full, as those are who come daily."""
    node_bytes: float = 64e9
    """Memory of a Redis node."""

    @property
    def requests_per_s(self) -> float:
        """Lists that make the impressions."""
        return self.events_per_s * self.impressions / self.list_size


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What carries it."""

    feature_workers: int
    servers: int
    user_bytes: float
    item_bytes: float
    redis_nodes: int
    table_bytes: float
    """Of the item table in each server and worker."""
    examples_per_s: float
    """What the events label at most: one example for each impression."""
    learner_share: float
    """Of those, what one learner can take."""


def plan(load: SteadyLoad, capacity: Mapping[str, Any], learner_examples_per_s: float) -> Plan:
    """The plan by measured figures: `capacity` as in benchmarks/results/capacity.json, the learner's as in quality.json."""
    store, processes = capacity["store"], capacity["processes"]
    few, many = store["user_few_bytes"], store["user_many_bytes"]
    user_bytes = load.users * (load.active * many + (1.0 - load.active) * few)
    item_bytes = load.items * (store["item_full_activity_bytes"] + store["item_content_bytes"])
    examples = load.events_per_s * load.impressions
    return Plan(
        feature_workers=math.ceil(load.events_per_s / (_BUSY * processes["events_per_core_s"])),
        servers=math.ceil(load.requests_per_s / (_BUSY * processes["requests_per_core_s"]["recommend_10"])),
        user_bytes=user_bytes,
        item_bytes=item_bytes,
        redis_nodes=math.ceil((user_bytes + item_bytes) / (_FULL * load.node_bytes)),
        table_bytes=load.items * store["item_table_bytes"],
        examples_per_s=examples,
        learner_share=min(_BUSY * learner_examples_per_s / examples, 1.0),
    )
