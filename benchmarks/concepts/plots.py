"""Plots: each is a run of Headwater's own fold and learning on a newsroom, beside the rates that an oracle knows."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.chart import line_chart
from benchmarks.quality.headwater import BATCH, make_trainer
from benchmarks.quality.newsroom import Newsroom, distance, simulate
from feature_repo.tasks import Task
from feature_repo.vocabulary import Vocabulary
from training.balancing import BalancingName
from training.batch import Batch
from training.encoding.cache import Encoder
from training.model import Recommender
from training.release.guard import Guard, GuardConfig
from training.simulation.simulation import SimulationConfig
from training.trainer import Trainer

__all__ = ["PLOTS"]

_DAY = 86_400.0
_SEED = 1
_POINTS = 40
_PROBES = 1_000
_HEAVY = 30.0

Line = list[tuple[float, float]]


def impressions(config: SimulationConfig, encoder: Encoder) -> str:
    """A click model that learns from impressions, and one that is shown only what was clicked."""
    world = simulate(config, encoder, seed=_SEED)
    lines = {
        "learned with impressions": _predicted_rate(world, lambda labels_B: labels_B),
        "learned from clicks alone": _predicted_rate(world, lambda labels_B: torch.where(labels_B == 0.0, torch.nan, labels_B)),
        "true rate": _means(_labelled(world), world.truths[:, 0]),
    }
    return line_chart("Mean predicted chance of a click", "examples learned", lines)


def late_labels(config: SimulationConfig, encoder: Encoder) -> str:
    """The rate that is served while a window of a day is open: negatives waited for, and learned at once and corrected."""
    lines: dict[str, Line] = {}
    for late in ("wait", "correct"):
        click = Task(name="click", kind="binary", event="click", window_seconds=_DAY, late=late)
        world = simulate(config, encoder, seed=_SEED, tasks=(click, *_READ_AND_BUY))
        lines[f'late = "{late}"'] = list(_served_rate(world))
    truth = float(world.truths[_labelled(world), 0].mean())
    lines["true rate"] = [(0.0, truth), ((float(world.known_at[-1]) - float(world.known_at[0])) / _DAY, truth)]
    return line_chart("Mean served chance of a click, labels due after a day", "days", lines)


def balance(config: SimulationConfig, encoder: Encoder) -> str:
    """How near purchases are predicted where the seconds read weigh thirty times as much in the summed loss."""
    heavy = tuple(
        replace(task, weight=_HEAVY if task.name == "read_seconds" else 1.0, priority=int(task.name == "purchase"))
        for task in (_CLICK, *_READ_AND_BUY)
    )
    balanced: tuple[tuple[str, tuple[Task, ...], BalancingName], ...] = (
        ("fixed, all weigh 1", (_CLICK, *_READ_AND_BUY), "fixed"),
        ("fixed, seconds weigh 30", heavy, "fixed"),
        ("the same, uncertainty", heavy, "uncertainty"),
        ("the same, mgda", heavy, "mgda"),
        ("the same, priorities", heavy, "priorities"),
    )
    world = simulate(config, encoder, seed=_SEED)
    lines = {}
    for name, tasks, balancing in balanced:
        plain = make_trainer(Vocabulary(tasks), world.examples.vectors.shape[1], _SEED)
        trainer = Trainer(replace(plain.config, balancing=balancing), Vocabulary(tasks), seed=_SEED)
        predicted = np.concatenate([trainer.learn(batch).predictions_BT.numpy() for _, batch in _batches(world)])
        lines[name] = _distances(world, predicted, task=2)
    return line_chart("Purchases: distance to the oracle, nats (0 is perfect)", "examples learned", lines)


def guards(config: SimulationConfig, encoder: Encoder) -> str:
    """What is served through a burst in which every label says that there was a click, with the guard and without it."""
    world = simulate(config, encoder, seed=_SEED)
    size, probe = len(world.examples), _probe(world)
    burst = (int(0.5 * size), int(0.65 * size))
    alone = make_trainer(world.vocabulary, world.examples.vectors.shape[1], _SEED)
    guard = Guard(make_trainer(world.vocabulary, world.examples.vectors.shape[1], _SEED), GuardConfig(), seed=_SEED)
    rng, lines = np.random.default_rng(_SEED), dict[str, Line](guarded=[], unguarded=[])
    for at, batch in _batches(world):
        if burst[0] <= at < burst[1]:
            batch.labels_BT[:, 0] = torch.where(batch.labels_BT[:, 0].isnan(), torch.nan, 1.0)
        alone.learn(batch)
        guard.learn(batch, torch.from_numpy(rng.random(len(batch)) < guard.config.share))
        if at // BATCH % (size // BATCH // _POINTS + 1) == 0 and (good := guard.good()) is not None:
            lines["guarded"].append((at, _rate(good, probe)))
            lines["unguarded"].append((at, _rate(alone.model, probe)))
    truth = float(np.nanmean(world.truths[:, 0]))
    lines["true rate"] = [(lines["guarded"][0][0], truth), (size, truth)]
    lines["wrong labels arrive"] = [(burst[0], truth / 4), (burst[1], truth / 4)]
    return line_chart("Mean served chance of a click", "examples arrived", lines)


def calibration(config: SimulationConfig, encoder: Encoder) -> str:
    """Mean predicted chances over the stream, of the network alone and corrected, beside the true rate."""
    world = simulate(config, encoder, seed=_SEED)
    trainer = make_trainer(world.vocabulary, world.examples.vectors.shape[1], _SEED)
    alone, calibrated = [], []
    for _, batch in _batches(world):
        with torch.inference_mode():
            alone.append(trainer.model(batch)[:, 0].sigmoid().numpy())
        calibrated.append(trainer.learn(batch).predictions_BT[:, 0].numpy())
    places = _labelled(world)
    lines = {
        "calibrated": _means(places, np.concatenate(calibrated)),
        "the network alone": _means(places, np.concatenate(alone)),
        "true rate": _means(places, world.truths[:, 0]),
    }
    return line_chart("Mean predicted chance of a click", "examples learned", lines)


PLOTS: dict[str, Callable[[SimulationConfig, Encoder], str]] = {
    "impressions": impressions,
    "late-labels": late_labels,
    "balance": balance,
    "guards": guards,
    "calibration": calibration,
}
"""What draws the plot of each page of docs/concepts."""

_CLICK = Task(name="click", kind="binary", event="click", window_seconds=1800.0)
_READ_AND_BUY = (
    Task(name="read_seconds", kind="duration", event="read"),
    Task(name="purchase", kind="binary", event="purchase", window_seconds=3600.0),
)


def _batches(world: Newsroom) -> Iterator[tuple[int, Batch]]:
    """Place of the first example, and the batch, in the order of learning."""
    for start in range(0, len(world.examples), BATCH):
        yield start, world.examples.batch(start, start + BATCH)


def _labelled(world: Newsroom) -> NDArray[np.int64]:
    return np.flatnonzero(~np.isnan(world.truths[:, 0]))


def _predicted_rate(world: Newsroom, taught: Callable[[torch.Tensor], torch.Tensor]) -> Line:
    trainer, predicted = make_trainer(world.vocabulary, world.examples.vectors.shape[1], _SEED), []
    for _, batch in _batches(world):
        batch.labels_BT[:, 0] = taught(batch.labels_BT[:, 0])
        predicted.append(trainer.learn(batch).predictions_BT[:, 0].numpy())
    return _means(_labelled(world), np.concatenate(predicted))


def _served_rate(world: Newsroom) -> Iterator[tuple[float, float]]:
    """Days since the first label, and the mean served chance of a fixed set of impressions by what was learned until then."""
    trainer, probe = make_trainer(world.vocabulary, world.examples.vectors.shape[1], _SEED), _probe(world)
    begin, step = float(world.known_at[0]), (float(world.known_at[-1]) - float(world.known_at[0])) / _POINTS
    due = step
    for at, batch in _batches(world):
        trainer.learn(batch)
        if (now := float(world.known_at[min(at + BATCH, len(world.known_at)) - 1]) - begin) >= due:
            due = now + step
            yield now / _DAY, float(trainer.model.predict(probe)[:, 0].mean())


def _probe(world: Newsroom) -> Batch:
    """Impressions drawn evenly over the whole stream; what is asked of them is never learned."""
    return world.examples.batch(0, len(world.examples)).rows(
        torch.from_numpy(np.random.default_rng(_SEED).choice(_labelled(world), size=_PROBES))
    )


def _rate(model: Recommender, probe: Batch) -> float:
    with torch.inference_mode():
        return float(model.expectation(model(probe))[:, 0].mean())


def _means(places: NDArray[np.int64], values: NDArray[np.floating]) -> Line:
    parts = np.array_split(places, _POINTS)
    return [(float(part[-1]), float(values[part].mean())) for part in parts if len(part)]


def _distances(world: Newsroom, predicted: NDArray[np.float32], *, task: int) -> Line:
    places = np.flatnonzero(~np.isnan(world.truths[:, task]))
    parts = np.array_split(places, _POINTS // 2)
    declared = world.vocabulary.tasks[task]
    return [
        (float(part[-1]), distance(declared, world.truths[part, task], predicted[part, task])) for part in parts[1:] if len(part)
    ]
