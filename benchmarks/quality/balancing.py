"""Owns the question what each way of balancing tasks brings on real ratings."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.quality import headwater, movielens
from benchmarks.quality.examples import by_count
from benchmarks.quality.together import by_name, rated
from training.balancing import BALANCINGS
from training.trainer import Trainer

__all__ = ["measure"]


def measure(data: movielens.Data, *, seeds: Sequence[int], say: Callable[[str], None]) -> dict[str, Any]:
    """Figures by way of balancing, and task and window, one for each seed; ready for JSON."""
    examples, runs = data.examples("every_event", by_count(len(data.pairs), 1)), []
    for seed in seeds:
        base = headwater.make_trainer(data.vocabulary, examples.vectors.shape[1], seed).config
        found: dict[str, dict[str, float]] = {}
        for name in BALANCINGS:
            say(f"{name}, seed {seed}")
            trainer = Trainer(replace(base, balancing=name), data.vocabulary, seed=seed)
            found[name] = rated(examples, headwater.run(examples, trainer))
        runs.append(found)
    return {"seeds": list(seeds), "figures": by_name(runs)}
