"""Tests calibration: what it recovers from a stream, and what it must never change."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.calibration import LONGEST_LOG_SECONDS, Calibration
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig

TASKS = parse_tasks(
    '[tasks.click]\nkind = "binary"\nevent = "click"\n[tasks.seconds]\nkind = "duration"\nevent = "read"\n'
    '[tasks.stars]\nkind = "regression"\nevent = "rate"'
)
CLICK, SECONDS, STARS = range(3)
NAN = float("nan")


def observed(
    logits: Callable[[Tensor], Tensor], *, batches: int = 700, size: int = 64, seed: int = 0, into: Calibration | None = None
) -> Calibration:
    """A calibration that has followed clicks whose true logit is `logits` of the predicted one."""
    calibration, random = into or Calibration(TASKS), torch.Generator().manual_seed(seed)
    for _ in range(batches):
        outputs_BT, labels_BT = torch.full((2, size, 3), NAN)
        outputs_BT[:, CLICK] = 1.5 * torch.randn(size, generator=random) - 1.0
        outputs_BT[:, [SECONDS, STARS]] = 0.0
        labels_BT[:, CLICK] = (torch.rand(size, generator=random) < logits(outputs_BT[:, CLICK]).sigmoid()).float()
        calibration.observe(outputs_BT, labels_BT)
    return calibration


def column(values: Tensor, task: int) -> Tensor:
    """(B, T) with `values` as the outputs of one task."""
    outputs_BT = torch.zeros(len(values), 3)
    outputs_BT[:, task] = values
    return outputs_BT


@given(
    pairs=st.lists(st.tuples(st.floats(-30, 30, width=32), st.sampled_from([0.0, 1.0, NAN])), min_size=1, max_size=40),
    asked=st.lists(st.floats(-20, 20, width=16), min_size=2, max_size=10, unique=True),
)
def test_whatever_is_observed_the_order_of_scores_is_kept(pairs: list[tuple[float, float]], asked: list[float]) -> None:
    """Labels however contrary, scores however extreme: the line stays finite and rises."""
    calibration = Calibration(TASKS)
    outputs_B, labels_B = torch.tensor(pairs).T
    for _ in range(20):
        calibration.observe(column(outputs_B, CLICK), torch.where(torch.tensor([True, False, False]), labels_B[:, None], NAN))
    corrected_B = calibration(column(torch.tensor(sorted(asked)), CLICK))[:, CLICK]
    assert corrected_B.isfinite().all()
    assert (corrected_B.diff() >= 0).all()


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 1.2), (1.0, -1.2), (0.5, 0.0), (1.8, 0.6)])
def test_a_shift_and_a_slope_of_the_odds_are_recovered(slope: float, offset: float) -> None:
    """Where heads are over- or underconfident, or off by a rate, the line found is the true one."""
    calibration = observed(lambda logits: slope * logits + offset)
    assert float(calibration.slope_T[CLICK]) == pytest.approx(slope, abs=0.12)
    assert float(calibration.offset_T[CLICK]) == pytest.approx(offset, abs=0.12)


def test_corrected_rates_come_true_where_raw_ones_do_not() -> None:
    """After the labels, mean prediction equals mean label within a tenth, low scores and high ones alike."""
    calibration = observed(lambda logits: 0.6 * logits + 1.0)
    raw_B = torch.linspace(-4, 2, 200)
    true_B = (0.6 * raw_B + 1.0).sigmoid()
    corrected_B = calibration(column(raw_B, CLICK))[:, CLICK].sigmoid()
    for part in (slice(0, 70), slice(70, 140), slice(140, 200)):
        assert float(corrected_B[part].mean() / true_B[part].mean()) == pytest.approx(1.0, abs=0.1)
        assert float(raw_B[part].sigmoid().mean() / true_B[part].mean()) < 0.9


def test_a_correction_follows_a_change() -> None:
    """When the odds move again, labels older than the memory no longer count."""
    calibration = observed(lambda logits: logits + 1.0)
    observed(lambda logits: logits - 1.0, seed=1, into=calibration)
    assert float(calibration.offset_T[CLICK]) == pytest.approx(-1.0, abs=0.2)


def test_few_labels_correct_little() -> None:
    """Ten contrary labels do not turn a new model's scores over."""
    calibration = Calibration(TASKS)
    labels_BT = torch.full((10, 3), NAN)
    labels_BT[:, CLICK] = 1.0
    calibration.observe(column(torch.full((10,), -2.0), CLICK), labels_BT)
    assert -2.0 < float(calibration(column(torch.tensor([-2.0]), CLICK))[0, CLICK]) < -1.0


def test_seconds_are_scaled_to_the_mean_that_comes() -> None:
    """Heads that know the mean of log seconds exactly predict too few seconds; the factor makes up for the spread."""
    calibration, random = Calibration(TASKS), torch.Generator().manual_seed(0)
    means_B = 3.0 + torch.rand(40_000, generator=random)
    labels_B = means_B + 0.8 * torch.randn(40_000, generator=random)
    outputs_BT, labels_BT = column(means_B, SECONDS), torch.full((40_000, 3), NAN)
    labels_BT[:, SECONDS] = labels_B
    observed = float(labels_B.clamp_min(0.0).expm1().mean())
    assert float(calibration.seconds(outputs_BT)[:, SECONDS].mean()) < 0.8 * observed
    for start in range(0, 40_000, 32):
        calibration.observe(outputs_BT[start : start + 32], labels_BT[start : start + 32])
    assert float(calibration.seconds(outputs_BT)[:, SECONDS].mean()) == pytest.approx(observed, rel=0.05)
    longest = calibration.seconds(torch.full((1, 3), 1e9))
    assert float(longest[0, SECONDS].log1p()) == pytest.approx(LONGEST_LOG_SECONDS)


def test_the_factor_forgets_a_start_that_told_no_types_apart() -> None:
    """While films and clips get one prediction, the films' seconds outweigh all; once they are told apart, neither is off."""
    calibration, random = Calibration(TASKS), torch.Generator().manual_seed(0)
    film_B = torch.rand(8_000, generator=random) < 0.15
    true_B = torch.where(film_B, torch.tensor(8.0), torch.tensor(3.4))
    said_B = torch.where(torch.arange(8_000) < 800, torch.tensor(5.0), true_B)
    labels_BT = torch.full((8_000, 3), NAN)
    labels_BT[:, SECONDS] = true_B + 0.6 * torch.randn(8_000, generator=random)

    def factor(first: int, end: int) -> float:
        for start in range(first, end, 32):
            part = slice(start, start + 32)
            calibration.observe(column(said_B[part], SECONDS), labels_BT[part])
        return float(calibration.seconds(column(torch.tensor([3.4]), SECONDS))[0, SECONDS]) / math.expm1(3.4)

    assert factor(0, 800) > 2.0
    assert factor(800, 8_000) == pytest.approx(math.exp(0.6**2 / 2), abs=0.12)


def test_unknown_labels_and_other_kinds_change_nothing() -> None:
    """A batch that says nothing of clicks or seconds leaves every correction as it was."""
    calibration = observed(lambda logits: logits + 1.0, batches=50)
    before = {name: tensor.clone() for name, tensor in calibration.state_dict().items()}
    labels_BT = torch.full((8, 3), NAN)
    labels_BT[:, STARS] = 4.0
    outputs_BT = torch.full((8, 3), 3.0)
    calibration.observe(outputs_BT, labels_BT)
    assert all(torch.equal(tensor, before[name]) for name, tensor in calibration.state_dict().items())
    assert calibration(outputs_BT)[:, STARS].tolist() == [3.0] * 8


def test_state_round_trip_goes_on_bit_for_bit() -> None:
    """Saved, loaded and fed the same batches, two calibrations agree to the bit."""
    first = observed(lambda logits: logits + 1.0, batches=20)
    second = Calibration(TASKS)
    second.load_state_dict(first.state_dict())
    for calibration in (first, second):
        observed(lambda logits: logits - 1.0, batches=20, seed=1, into=calibration)
    assert all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())


def test_scores_of_heads_that_err_are_called_back(vocabulary: Vocabulary, stream: Callable[..., list[Batch]]) -> None:
    """Heads that are thrown off by hand and hardly learn are put right by the correction, within some hundred labels."""
    config = TrainerConfig(model=ModelConfig(text_dimension=24, width=8, hidden=(16, 8)), learning_rate=1e-6)
    trainer = Trainer(config, vocabulary, seed=0)
    batches = stream(120)
    trainer.learn(batches[0])
    with torch.no_grad():
        trainer.model.heads.skip.bias[0] = 2.0
    reports = [trainer.learn(batch) for batch in batches[1:]]
    rates = [float(torch.cat([one.predictions_BT[:, 0] for one in part]).mean()) for part in (reports[:5], reports[-40:])]
    observed = float(torch.cat([one.labels_BT[:, 0] for one in reports]).nanmean())
    assert rates[0] - observed > 0.2
    assert rates[1] == pytest.approx(observed, abs=0.06)
