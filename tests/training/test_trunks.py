"""Tests trunks on a conflict between tasks: which of them lets each task go its own way."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig
from training.trunks import TrunkName, build_trunk

Stream = Callable[..., list[Batch]]


def test_separate_trunks_free_tasks_that_need_different_things(vocabulary: Vocabulary, stream: Stream) -> None:
    """Two hidden units cannot see the bends of two features, one for each task; two units for each task can.

    A bend takes both units, and from many starts so few do not find it: the best of five says what a trunk is able to.
    """

    def bent(batch: Batch) -> Batch:
        first_B, second_B = ((batch.x_BF[:, at] - 3.0) / 2.0 for at in (5, 9))
        labels_BT = torch.stack((torch.full_like(first_B, torch.nan), 3 + first_B.abs(), 3 + second_B.abs()), dim=1)
        return replace(batch, labels_BT=labels_BT)

    batches = [bent(batch) for batch in stream(600, size=32)]

    def error(trunk: TrunkName, seed: int) -> float:
        model = ModelConfig(text_dimension=24, width=2, trunk=trunk, hidden=(2,))
        trainer = Trainer(TrainerConfig(model=model, learning_rate=1e-2), vocabulary, seed=seed)
        reports = [trainer.learn(batch) for batch in batches][-100:]
        return float(torch.cat([(report.predictions_BT - report.labels_BT)[:, 1:] for report in reports]).square().mean())

    trunks: tuple[TrunkName, ...] = ("shared_bottom", "separate", "shared_private")
    shared_bottom, separate, shared_private = (min(error(trunk, seed) for seed in range(5)) for trunk in trunks)
    assert separate < 0.5 * shared_bottom
    assert shared_private < 0.5 * shared_bottom


def test_unknown_trunk_is_refused() -> None:
    """A trunk that is not there is named, beside those that are."""
    with pytest.raises(ValueError, match="choose one of shared_bottom"):
        build_trunk("tower", 4, (2,), tasks=2, experts=1)  # type: ignore[arg-type]  # what a setting could hold
