"""Labels of which only a lower bound is known: what they cost, and that learning from them beats leaving them out."""

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest
import torch

from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from training.batch import Batch, make_batch
from training.censoring import censored_losses, completed
from training.losses import ROBUST_BEYOND, prediction_losses, task_losses
from training.model import ModelConfig
from training.release.acceptance import Bounds, judge
from training.trainer import Trainer, TrainerConfig

VOCABULARY = Vocabulary(parse_tasks('[tasks.dwell]\nkind = "duration"\nevent = "read"'))
SPREAD, APP_LIVES_SECONDS = 0.6, 120.0

Treatment = Literal["taken for whole", "left out", "censored"]


def _reads(batches: int, treatment: Treatment, *, size: int = 16, seed: int = 1) -> Iterator[tuple[Batch, np.ndarray]]:
    """Reads whose log seconds hang on one feature, 42 % of them cut off, and what the log seconds are on average."""
    rng = np.random.default_rng(seed)
    for _ in range(batches):
        x = rng.normal(size=(size, len(VOCABULARY.features)))
        usual = 4.0 + 0.8 * x[:, 1]
        log_seconds = np.maximum(usual + rng.normal(scale=SPREAD, size=size), 0.0)
        seen = np.log1p(rng.exponential(APP_LIVES_SECONDS, size=size))
        cut = (seen < log_seconds) & (treatment != "taken for whole")
        batch = make_batch(
            features=x,
            item_rows=np.full(size, -1),
            history_rows=[np.empty(0, dtype=np.intp)] * size,
            history_values=[np.empty(0)] * size,
            vectors=np.zeros((1, 4), dtype=np.float32),
            labels=np.where(cut, np.nan, np.minimum(seen, log_seconds))[:, None],
            lower_bounds=np.where(cut & (treatment == "censored"), seen, np.nan)[:, None].tolist(),
            tasks=1,
        )
        yield batch, usual


def _learned(treatment: Treatment) -> tuple[Trainer, float, float]:
    """A trainer after 300 batches; over the last hundred its error against the truth, and predicted over true seconds."""
    config = TrainerConfig(model=ModelConfig(text_dimension=4, width=4, hidden=(8,)), learning_rate=3e-3)
    trainer, errors, seconds = Trainer(config, VOCABULARY, seed=0), [], []
    for batch, usual in _reads(300, treatment):
        seconds.append((trainer.model.predict(batch)[:, 0].mean(), np.expm1(usual + SPREAD**2 / 2.0).mean()))
        errors.append(trainer.learn(batch).predictions_BT[:, 0].numpy() - usual)
    predicted, true = np.mean(seconds[200:], axis=0)
    return trainer, float(np.sqrt(np.mean(np.square(errors[200:])))), float(predicted / true)


@pytest.fixture(scope="module")
def censored() -> tuple[Trainer, float, float]:
    return _learned("censored")


@pytest.mark.parametrize("treatment", ["taken for whole", "left out"])
def test_censored_reads_bring_predictions_nearer_to_the_truth(
    censored: tuple[Trainer, float, float], treatment: Treatment
) -> None:
    """Cut-off seconds taken for whole ones, or left out (the long reads above all), teach that reads are short."""
    _, error, ratio = censored
    _, error_without, ratio_without = _learned(treatment)
    assert error < 0.8 * error_without
    assert abs(math.log(ratio)) < 0.8 * abs(math.log(ratio_without))


def test_the_guard_lets_what_was_learned_of_censored_reads_pass(censored: tuple[Trainer, float, float]) -> None:
    """Whole reads are short ones where long ones are cut off; judged by them alone, a right prediction would be too high."""
    holdout, _ = next(_reads(1, "censored", size=400, seed=9))
    bounds = Bounds(calibration_at_most=1.2)
    assert not judge(censored[0].model, None, holdout, bounds).objections
    whole = holdout.rows(~holdout.labels_BT[:, 0].isnan())
    assert judge(censored[0].model, None, whole, bounds).objections


def test_the_gradient_is_that_of_the_label_that_it_stands_for() -> None:
    """Maximum likelihood moves an output as least squares would with the mean of what lies above the bound."""
    outputs = torch.tensor([[-1.5], [0.0], [2.0]], requires_grad=True)
    bounds, deviation_T = torch.zeros(3, 1), torch.tensor([2.0])
    censored_losses((outputs - bounds) / deviation_T, robust_beyond=ROBUST_BEYOND).sum().backward()  # type: ignore[no-untyped-call]  # torch does not type it
    stands_for = completed(outputs.detach(), torch.full((3, 1), math.nan), bounds, deviation_T)
    assert outputs.grad is not None
    torch.testing.assert_close(outputs.grad, (outputs.detach() - stands_for) / deviation_T.square())


def test_losses_count_a_label_or_its_bound_and_pass_over_what_has_neither() -> None:
    """A bound far below the output costs nothing, one far above it pulls no harder than an outlier; no gradient is NaN."""
    nan = math.nan
    outputs = torch.tensor([[0.0, 5.0], [0.0, -90.0], [0.0, 1.0], [0.0, 2.0]], requires_grad=True)
    labels = torch.tensor([[nan, nan], [nan, nan], [nan, nan], [nan, 2.0]])
    bounds = torch.tensor([[nan, -5.0], [nan, 9.0], [nan, nan], [nan, nan]])
    options = {"binary_T": torch.tensor([True, False]), "deviation_T": torch.ones(2)}
    losses_T = task_losses(outputs, labels, bounds, **options)
    losses_T.sum().backward()  # type: ignore[no-untyped-call]  # torch does not type it
    assert outputs.grad is not None
    assert outputs.grad[:, 0].tolist() == [0.0] * 4
    assert outputs.grad[:, 1].tolist() == pytest.approx([0.0, -ROBUST_BEYOND / 4, 0.0, 0.0], abs=1e-6)
    losses_BT = prediction_losses(outputs.detach(), labels, bounds, **options)
    assert losses_BT[:, 1].isnan().tolist() == [False, False, True, False]
    assert float(losses_BT[:, 1].nansum() / 4) == pytest.approx(float(losses_T[1].detach()))
    assert prediction_losses(outputs.detach(), labels, **options)[:, 1].isnan().tolist() == [True, True, True, False]
