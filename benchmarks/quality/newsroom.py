"""Section on the simulated newsroom, where true rates are known: distance to the oracle, balancing, a shift of taste."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.quality import headwater, peers
from benchmarks.quality.examples import Examples, arrays
from benchmarks.quality.figures import windows
from benchmarks.quality.headwater import BATCH, make_trainer
from deploy import local
from feature_repo.decode import check_event
from feature_repo.decoded_event import DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.tasks import Task, load_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example
from training.balancing import BALANCINGS
from training.encoding.cache import Encoder, item_text
from training.history import HistoryFold
from training.losses import prediction_losses
from training.metrics.drift import DriftWatch
from training.release.guard import Guard, GuardConfig
from training.simulation.simulation import Simulation, SimulationConfig, Truth
from training.simulation.synthetic_catalogue import NEWSROOM
from training.simulation.synthetic_catalogue import SyntheticCatalogue as Kinds
from training.trainer import Trainer, TrainerConfig

__all__ = ["CONFIG", "Newsroom", "distance", "distances", "measure", "recovery", "simulate"]

CONFIG = SimulationConfig(users=100, items=500, days=12.0, sessions_per_day=2.0, shift_at=0.5)
_TASKS = Path(local.__file__).with_name("tasks.toml")
_DAY = 86_400.0
_WINDOW = 1_000
"""Impressions by which recovery is judged."""
_RECOVERED = 1.25
"""Times the distance of before the shift."""

Predictions = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Newsroom:
    """What was shown and done, as labelled examples in the order of learning, and what an oracle would have said of each."""

    vocabulary: Vocabulary
    examples: Examples
    truths: NDArray[np.float64]
    """(n, T): chances, and the expected log1p of seconds; NaN where the example has no label of the task."""
    known_at: NDArray[np.float64]
    """When the labels of each example came to light, Unix seconds, (n,)."""
    shift_at: float
    """Unix seconds."""


def simulate(
    config: SimulationConfig, encoder: Encoder, *, seed: int, tasks: tuple[Task, ...] = (), kinds: Kinds = NEWSROOM
) -> Newsroom:
    """Plays a newsroom through the stream's own fold, join and assembly, under `tasks`: a click, the seconds read, a purchase.

    Without any they are those that the local stack has.
    """
    room, vocabulary = Simulation(config, np.random.default_rng(seed), kinds), Vocabulary(tasks or load_tasks(_TASKS))
    items = [change.upsert for change in room.catalogue()]
    table = ItemTable(vocabulary, dimensions=encoder.dimension)
    for item, vector_D in zip(items, encoder.encode([item_text(item.title, item.text) for item in items]), strict=True):
        table.set_content(item, vector_D)
    run, truths = HistoryFold(table), dict[tuple[str, str], Truth]()
    examples: list[Example] = []
    known_at: list[float] = []
    for event, truth in room.events():
        if truth is not None:
            truths[event.recommendation_id, event.item_id] = truth
        decoded = check_event(event, now=config.begins_at + (config.days + 60.0) * _DAY)
        assert isinstance(decoded, DecodedEvent), decoded
        examples += run.fold(decoded)
        known_at += [decoded.at] * (len(examples) - len(known_at))
    folded = arrays(examples, table)
    predicted = [truths[example.recommendation_id, example.item_id] for example in examples]
    formatted = np.array([(truth.chances["click"], truth.log_read_seconds, truth.chances["purchase"]) for truth in predicted])
    return Newsroom(
        vocabulary=vocabulary,
        examples=folded,
        truths=np.where(np.isnan(folded.labels), np.nan, formatted),
        known_at=np.array(known_at),
        shift_at=room.shift_at,
    )


def distance(task: Task, truths: NDArray[np.float64], predictions: Predictions) -> float:
    """How far predictions are from the oracle: Kullback-Leibler divergence in nats for chances, RMSE of log1p seconds for reads.

    A perfect model has 0; what chance does to the labels is no part of it.
    """
    known = ~np.isnan(truths)
    truth, predicted = truths[known], predictions[known].astype(np.float64)
    if task.kind != "binary":
        return float(np.sqrt(np.mean((truth - predicted) ** 2)))
    predicted, truth = np.clip(predicted, 1e-4, 1 - 1e-4), np.clip(truth, 1e-9, 1 - 1e-9)
    return float(np.mean(truth * np.log(truth / predicted) + (1 - truth) * np.log((1 - truth) / (1 - predicted))))


def recovery(world: Newsroom, predictions: Predictions) -> dict[str, Any]:
    """Distance of clicks by stretches of impressions, and how many it took after the shift to be as near as before it."""
    task, truths = world.vocabulary.tasks[0], world.truths[:, 0]
    known = np.flatnonzero(~np.isnan(truths))
    known = known[np.argsort(world.examples.at[known], kind="stable")]  # a click is known sooner than that there is none
    ends, distances = [], []
    for stop in range(_WINDOW, len(known) + 1, _WINDOW // 2):
        part = known[stop - _WINDOW : stop]
        ends.append((float(world.examples.at[part[-1]]) - float(world.examples.at[0])) / _DAY)
        distances.append(distance(task, truths[part], predictions[part, 0]))
    shifted = int(np.searchsorted(world.examples.at[known], world.shift_at))
    before = distance(task, truths[known[:shifted]][-4 * _WINDOW :], predictions[known[:shifted], 0][-4 * _WINDOW :])
    recovered = None
    for stop in range(shifted + _WINDOW, len(known) + 1, 100):
        part = known[stop - _WINDOW : stop]
        if distance(task, truths[part], predictions[part, 0]) <= _RECOVERED * before:
            recovered = stop - shifted
            break
    return {"before": before, "impressions": recovered, "days": ends, "distances": distances}


def measure(encoder: Encoder, *, seed: int, say: Callable[[str], None], config: SimulationConfig = CONFIG) -> dict[str, Any]:
    """Everything of this section, ready for JSON; `say` is told what is under way."""
    say("simulating and folding")
    world = simulate(config, encoder, seed=seed)
    examples, tasks = world.examples, world.vocabulary.tasks
    base = make_trainer(world.vocabulary, examples.vectors.shape[1], seed).config
    recipes: dict[str, TrainerConfig] = {name: replace(base, balancing=name) for name in BALANCINGS}
    predictions: dict[str, Predictions] = {}
    for name, recipe in recipes.items():
        say(f"learning: {name}")
        predictions[name] = headwater.run(examples, Trainer(recipe, world.vocabulary, seed=seed))
    say("learning: guarded")
    predictions["guarded"], guarded = _guarded(world, Trainer(base, world.vocabulary, seed=seed))
    say("LightGBM")
    predictions["item_mean"] = means = _item_means(world)
    settled = max(task.window_seconds for task in tasks)
    objectives = ["binary" if task.kind == "binary" else "regression" for task in tasks]
    predictions["lightgbm_daily"], trainings = peers.lightgbm_daily(
        examples, expected=means, at_least=1, objectives=objectives, settled_seconds=settled, seed=seed
    )
    late = windows(len(examples))["last_fifth"]
    return {
        "seed": seed,
        "users": config.users,
        "items": config.items,
        "days": config.days,
        "shift_at_day": config.shift_at * config.days,
        "impressions": int((~np.isnan(world.truths[:, 0])).sum()),
        "lightgbm_retrainings": trainings,
        "distance": {name: distances(world, predicted, late) for name, predicted in predictions.items()},
        "recovery": {name: recovery(world, predictions[name]) for name in ("fixed", "guarded", "lightgbm_daily")},
        "guarded": guarded,
    }


def distances(world: Newsroom, predictions: Predictions, part: slice) -> dict[str, float]:
    """By task, over a part of the examples."""
    tasks = enumerate(world.vocabulary.tasks)
    return {task.name: distance(task, world.truths[part, at], predictions[part, at]) for at, task in tasks}


def _guarded(world: Newsroom, trainer: Trainer) -> tuple[Predictions, dict[str, Any]]:
    """The same behind the guard, with the watch for drift: predictions, and what the two had to say."""
    guard, watch = Guard(trainer, GuardConfig(), seed=0), DriftWatch(world.vocabulary.tasks)
    rng, out, refused, judged, drifts = np.random.default_rng(0), [], 0, 0, []
    for number, batch in enumerate(_batches(world.examples)):
        report, judgement = guard.learn(batch, torch.from_numpy(rng.random(len(batch)) < guard.config.share))
        out.append(report.predictions_BT.numpy())
        judged += judgement is not None
        refused += judgement is not None and judgement.objection is not None
        model = trainer.model
        losses_BT = prediction_losses(
            report.predictions_BT, report.labels_BT, binary_T=model.binary_T, deviation_T=model.targets.deviation
        )
        at = float(world.examples.at[number * BATCH])
        drifts += [{"task": drift.task, "days_after_shift": (at - world.shift_at) / _DAY} for drift in watch.observe(losses_BT)]
    return np.concatenate(out), {"judged": judged, "refused": refused, "drifts": drifts}


def _batches(examples: Examples) -> list[Any]:
    return [examples.batch(start, start + BATCH) for start in range(0, len(examples), BATCH)]


def _item_means(world: Newsroom) -> Predictions:
    names: Sequence[str] = world.vocabulary.features
    columns = [names.index(f"{task.name}:item_mean") for task in world.vocabulary.tasks]
    binary_T = np.array([task.kind == "binary" for task in world.vocabulary.tasks])
    predicted = world.examples.x[:, columns]
    return np.where(binary_T, np.clip(predicted, 1e-3, 1 - 1e-3), predicted).astype(np.float32)
