"""Section on learning tasks together: every trunk next to a model for each task alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import headwater, movielens, newsroom
from benchmarks.quality.examples import Examples, by_count
from benchmarks.quality.figures import log_loss, windows
from deploy.demo.quality import rmse
from feature_repo.vocabulary import Vocabulary
from training.encoding.cache import Encoder
from training.simulation.simulation import SimulationConfig
from training.simulation.synthetic_catalogue import NEWSROOM, SyntheticCatalogue
from training.trainer import Trainer
from training.trunks import TRUNKS

__all__ = ["by_name", "compare", "measure", "rarer_purchases", "rated"]

_RARER = 10.0

Predictions = NDArray[np.float32]
Judge = Callable[[Predictions], dict[str, float]]
"""Gives for predictions (n, T) a figure for each task and window, of which less is better."""


def measure(
    data: movielens.Data,
    encoder: Encoder,
    *,
    seeds: Sequence[int],
    say: Callable[[str], None],
    config: SimulationConfig = newsroom.CONFIG,
) -> dict[str, Any]:
    """Everything of this section, ready for JSON: by set, trunk, and task and window, one figure for each seed."""
    found: dict[str, Any] = {"seeds": list(seeds), "rarer": _RARER}
    say("MovieLens: folding")
    examples = data.examples("every_event", by_count(len(data.pairs), 1))
    runs = []
    for seed in seeds:
        say(f"MovieLens, seed {seed}")
        runs.append(compare(examples, data.vocabulary, partial(rated, examples), seed=seed))
    found["movielens"] = {"figures": by_name(runs)}
    for name, kinds in (("newsroom", NEWSROOM), ("newsroom_rare", rarer_purchases(NEWSROOM, _RARER))):
        runs, purchases = [], []
        for seed in seeds:
            say(f"{name}, seed {seed}")
            world = newsroom.simulate(config, encoder, seed=seed, kinds=kinds)
            runs.append(compare(world.examples, world.vocabulary, partial(_distances, world), seed=seed))
            purchases.append(int(np.nansum(world.examples.labels[:, -1])))
        found[name] = {"figures": by_name(runs), "purchases": purchases}
    return found


def compare(examples: Examples, vocabulary: Vocabulary, judge: Judge, *, seed: int) -> dict[str, dict[str, float]]:
    """Figures by trunk, and as `alone` of a model for each task (a shared bottom) that learns the labels of that task only."""
    base = headwater.make_trainer(vocabulary, examples.vectors.shape[1], seed).config
    found: dict[str, dict[str, float]] = {}
    for trunk in TRUNKS:
        config = replace(base, model=replace(base.model, trunk=trunk))
        found[trunk] = judge(headwater.run(examples, Trainer(config, vocabulary, seed=seed)))
    config = replace(base, model=replace(base.model, trunk="shared_bottom"))
    # No product of two tasks: it would have to guess the one from labels of the other.
    single = Vocabulary(tuple(replace(task, given=None) for task in vocabulary.tasks))
    columns = [
        headwater.run(examples, Trainer(config, single, seed=seed), only=task)[:, task] for task in range(len(vocabulary.tasks))
    ]
    found["alone"] = judge(np.stack(columns, axis=1))
    return found


def rarer_purchases(catalogue: SyntheticCatalogue, times: float) -> SyntheticCatalogue:
    """The catalogue with so many times fewer purchases after a click, at odds for odds; the same tastes cause them."""

    def rarer(chance: float) -> float:
        odds = chance / (1.0 - chance) / times
        return odds / (1.0 + odds)

    kinds = {
        name: msgspec.structs.replace(
            kind,
            actions=tuple(
                msgspec.structs.replace(action, chance=rarer(action.chance)) if action.event == "purchase" else action
                for action in kind.actions
            ),
        )
        for name, kind in catalogue.types.items()
    }
    return msgspec.structs.replace(catalogue, types=kinds)


def rated(examples: Examples, predictions: Predictions) -> dict[str, float]:
    """Log loss of like and RMSE of stars on MovieLens, by window."""
    found = {}
    for window, part in windows(len(examples)).items():
        labels, predicted = examples.labels[part], predictions[part]
        found[f"like, {window}"] = log_loss(labels[:, 0], predicted[:, 0])
        found[f"stars, {window}"] = rmse(labels[:, 1], predicted[:, 1])
    return found


def _distances(world: newsroom.Newsroom, predictions: Predictions) -> dict[str, float]:
    return {
        f"{task}, {window}": far
        for window, part in windows(len(predictions)).items()
        for task, far in newsroom.distances(world, predictions, part).items()
    }


def by_name(runs: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, list[float]]]:
    """Of figures by what learned, a dict for each seed, one dict with a list of the seeds' figures."""
    return {name: {what: [run[name][what] for run in runs] for what in figures} for name, figures in runs[0].items()}
