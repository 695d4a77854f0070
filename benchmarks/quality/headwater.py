"""Progressive runs of Headwater's own trainer over examples: in full, frozen, of one task, and with weights synced."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.quality.examples import Examples
from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.model import ModelConfig, Recommender
from training.trainer import Trainer, TrainerConfig

__all__ = ["BATCH", "Run", "make_trainer", "of_task", "progressive", "run", "steps"]

BATCH = 32
"""Examples a step, as the learner has by default."""

_SCORED_AT_ONCE = 2048


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Run:
    """Predictions of one pass over the examples, each (n, T) and made before the example was learned from."""

    live: NDArray[np.float32]
    """By the weights as they were."""
    frozen: NDArray[np.float32]
    """The same, but for the weights of the end of the first fifth from there on."""
    synced: dict[int, NDArray[np.float32]]
    """By weights that were copied every so many examples."""


def make_trainer(vocabulary: Vocabulary, dimensions: int, seed: int, *, id_rows: int = 0) -> Trainer:
    """The trainer that the learner has by default, with room for vectors of so many ids."""
    return Trainer(TrainerConfig(model=ModelConfig(text_dimension=dimensions, id_rows=id_rows)), vocabulary, seed=seed)


def steps(stretches: Sequence[tuple[int, int]], size: int = BATCH) -> Iterator[tuple[int, int]]:
    """Bounds of batches of `size` or a little more: no stretch, whose labels come to light together, is cut.

    >>> list(steps([(0, 2), (2, 3), (3, 9)], 3))
    [(0, 3), (3, 9)]
    """
    start = stop = 0
    for _, stop in stretches:
        if stop - start >= size:
            yield start, stop
            start = stop
    if stop > start:
        yield start, stop


def progressive(
    examples: Examples, trainer: Trainer, stretches: Sequence[tuple[int, int]], *, sync_every: Sequence[int] = ()
) -> Run:
    """Predicts and learns all examples in order."""
    live = np.empty_like(examples.labels)
    synced = {every: np.empty_like(live) for every in sync_every}
    copies = {every: copy.deepcopy(trainer.model) for every in sync_every}
    fifth, frozen, before = len(examples) // 5, None, -BATCH
    for start, stop in steps(stretches):
        if frozen is None and start >= fifth:
            fifth, frozen = start, copy.deepcopy(trainer.model)
        batch = examples.batch(start, stop)
        for every, model in copies.items():
            if start // every != before // every:
                model.load_state_dict(trainer.model.state_dict())
            synced[every][start:stop] = _predict(model, batch)
        live[start:stop] = trainer.learn(batch).predictions_BT.numpy()
        before = start
    late = live.copy()
    if frozen is not None:
        for start in range(fifth, len(examples), _SCORED_AT_ONCE):
            stop = min(start + _SCORED_AT_ONCE, len(examples))
            late[start:stop] = _predict(frozen, examples.batch(start, stop))
    return Run(live=live, frozen=late, synced=synced)


def run(examples: Examples, trainer: Trainer, *, only: int | None = None) -> NDArray[np.float32]:
    """Predictions (n, T), each made before its example was learned from; `only` one task's labels are, or all."""
    batches = (examples.batch(start, min(start + BATCH, len(examples))) for start in range(0, len(examples), BATCH))
    taken = (batch if only is None else of_task(batch, only) for batch in batches)
    return np.concatenate([trainer.learn(batch).predictions_BT.numpy() for batch in taken])


def of_task(batch: Batch, task: int) -> Batch:
    """The batch with the labels of one task alone."""
    others_T = torch.arange(batch.labels_BT.shape[1]) != task
    return replace(
        batch,
        labels_BT=batch.labels_BT.masked_fill(others_T, torch.nan),
        lower_bounds_BT=batch.lower_bounds_BT.masked_fill(others_T, torch.nan),
    )


@torch.inference_mode()
def _predict(model: Recommender, batch: Batch) -> NDArray[np.float32]:
    expected_BT: Tensor = model.expectation(model(batch))
    predictions: NDArray[np.float32] = expected_BT.numpy()
    return predictions
