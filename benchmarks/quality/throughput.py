"""Learner's throughput, beside a bare forward and backward pass of the same network: the floor."""

import time
from typing import Any

import torch

from benchmarks.quality.examples import Examples
from benchmarks.quality.headwater import BATCH, make_trainer
from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.model import Recommender

__all__ = ["measure"]

_WARM_UP, _BATCHES, _ROUNDS = 50, 300, 3


def measure(examples: Examples, vocabulary: Vocabulary) -> dict[str, Any]:
    """Examples/s of learning from new examples (replayed ones are learned too and not counted), best of three rounds."""
    batches = [examples.batch(start, start + BATCH) for start in range(0, (_WARM_UP + _BATCHES) * BATCH, BATCH)]
    trainer = make_trainer(vocabulary, examples.vectors.shape[1], 0)
    mixed = round(BATCH * (1 + trainer.config.replayed))
    larger = [examples.batch(start, start + mixed) for start in range(0, _BATCHES * BATCH, BATCH)]
    for batch in batches[:_WARM_UP]:
        trainer.learn(batch)
    learner = min(_seconds(batches[_WARM_UP:], trainer.learn) for _ in range(_ROUNDS))
    model = trainer.model
    alone = min(_seconds(batches[_WARM_UP:], lambda batch: _pass(model, batch)) for _ in range(_ROUNDS))
    floor = min(_seconds(larger, lambda batch: _pass(model, batch)) for _ in range(_ROUNDS))
    size = _BATCHES * BATCH
    return {
        "batch": BATCH,
        "replayed_beside_each": trainer.config.replayed,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "learner_examples_per_second": size / learner,
        "bare_pass_same_rows_examples_per_second": size / floor,
        "bare_pass_without_replay_examples_per_second": size / alone,
        "threads": torch.get_num_threads(),
    }


def _seconds(batches: list[Batch], step: Any) -> float:
    began = time.perf_counter()
    for batch in batches:
        step(batch)
    return time.perf_counter() - began


def _pass(model: Recommender, batch: Batch) -> None:
    model.zero_grad()
    model(batch).sum().backward()
