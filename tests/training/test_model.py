"""Tests what the parts of the model promise: scales, units, attention and losses."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.losses import task_losses
from training.model import Attention, ModelConfig, Recommender
from training.moments import RunningMoments

Stream = Callable[..., list[Batch]]


@given(st.lists(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=6), min_size=1, max_size=6))
def test_moments_of_batches_are_those_of_the_whole(batches: list[list[float]]) -> None:
    """However a stream is cut into batches, mean and variance are those of all of it."""
    moments = RunningMoments(1)
    for batch in batches:
        moments.observe(torch.tensor(batch).unsqueeze(1))
    whole = torch.tensor([value for batch in batches for value in batch], dtype=torch.float64)
    assert float(moments.mean) == pytest.approx(float(whole.mean()), abs=1e-2)
    assert float(moments.variance) == pytest.approx(float(whole.var(correction=0)), rel=1e-3, abs=1e-1)


def test_moments_pass_over_unknown_values_and_follow_drift() -> None:
    """NaN and infinity count for nothing; with a short memory, a changed level is soon the level."""
    moments = RunningMoments(2, memory=50.0)
    moments.observe(torch.tensor([[1.0, math.nan], [3.0, math.inf]]))
    assert moments.mean.tolist() == [2.0, 0.0]
    assert moments.count.tolist() == [2.0, 0.0]
    for _ in range(100):
        moments.observe(torch.full((10, 2), 8.0))
    assert moments.mean.tolist() == pytest.approx([8.0, 8.0], abs=1e-3)
    assert moments(torch.tensor([[math.nan, 1e9]])).tolist() == [[0.0, 5.0]]


@pytest.mark.parametrize("forged", [3e38, -3e38, 1e15, 40.0])
@pytest.mark.parametrize("first", [0, 5])
def test_one_forged_value_a_batch_leaves_the_moments(forged: float, first: int) -> None:
    """From the first batch on or later: the mean stays that of the other 31 values, the deviation within 2.2 times theirs."""
    torch.manual_seed(0)
    moments = RunningMoments(1, winsorised=True)
    for number in range(60):
        values_B1 = torch.randn(32, 1) + 3.0
        if number >= first:
            values_B1[7] = forged
        moments.observe(values_B1)
    assert float(moments.mean) == pytest.approx(3.0, abs=0.4)
    assert 0.8 < float(moments.deviation) < 2.2


def test_a_column_that_wakes_up_is_followed_at_once() -> None:
    """A feature that was always 0, such as of a new task: a few batches in which many examples have it give its scale."""
    torch.manual_seed(0)
    one, other = RunningMoments(1, winsorised=True), RunningMoments(1)
    for moments in (one, other):
        for _ in range(100):
            moments.observe(torch.zeros(32, 1))
        torch.manual_seed(1)
        for _ in range(10):
            moments.observe(2.0 * torch.randn(32, 1) + 5.0)
    assert float(one.deviation) == pytest.approx(float(other.deviation), rel=0.05)
    assert float(one.mean) == pytest.approx(float(other.mean), rel=0.05)


def test_attention_prefers_what_is_like_the_item() -> None:
    """Of two things in the history, the opinion on the one that is like the item counts more; an empty history gives zeros."""
    attention = Attention(2, 1)
    query_BE = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    keys_BNE = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).expand(2, 2, 2)
    values_BNS = torch.tensor([[1.0], [-1.0]]).expand(2, 2, 1)
    taste_BE, opinion_BS = attention(query_BE, keys_BNE, values_BNS, torch.tensor([[True, True], [False, False]]))
    assert opinion_BS[0] > 0.9
    assert taste_BE[1].tolist() == [0.0, 0.0]
    assert opinion_BS[1].tolist() == [0.0]


def test_predictions_are_in_the_units_of_the_tasks(vocabulary: Vocabulary, stream: Stream) -> None:
    """Probabilities lie within 0 and 1, durations are seconds and never negative nor endless, values are values."""
    batch = stream(1, size=64)[0]
    model = Recommender(ModelConfig(text_dimension=24, width=8), vocabulary)
    model.observe(replace(batch, labels_BT=torch.tensor([[1.0, math.log1p(90.0), 4.0], [0.0, math.log1p(90.0), 4.0]])))
    usual = replace(batch, x_BF=torch.full_like(batch.x_BF, math.nan))
    assert model.predict(usual)[0].tolist() == pytest.approx([0.5, 90.0, 4.0], rel=1e-3)
    with torch.no_grad():
        model.targets.mean[1] = 500.0
        assert model.predict(usual)[0, 1] == pytest.approx(30 * 86_400, rel=1e-3)
        model.targets.mean[1] = -500.0
        assert model.predict(usual)[0, 1] == 0.0


def test_first_predictions_follow_what_is_expected(vocabulary: Vocabulary, stream: Stream) -> None:
    """Before any step, a higher `expected` feature means a higher score of that task, and of no other."""
    batch = stream(1)[0]
    model = Recommender(ModelConfig(text_dimension=24, width=8), vocabulary)
    for index, task in enumerate(vocabulary.tasks):
        higher = batch.x_BF.clone()
        higher[:, vocabulary.features.index(f"{task.name}:expected")] = 4.9
        lower = replace(batch, x_BF=torch.where(higher == 4.9, -4.9, higher))
        change_BT = model(replace(batch, x_BF=higher)) - model(lower)
        assert (change_BT[:, index] > 0).all()
        assert change_BT.count_nonzero() == len(batch)


def test_a_new_user_counts_as_a_usual_one(vocabulary: Vocabulary, stream: Stream) -> None:
    """Of somebody without a past, what would be told of it is unknown: zeros there are not a past of no silence and no time."""
    batch = stream(1, size=64)[0]
    known, past = vocabulary.features.index("user_known"), vocabulary.features.index("user_tenure_log")
    batch.x_BF[:, known], batch.x_BF[:, past] = 1.0, torch.linspace(12.0, 16.0, 64)
    model = Recommender(ModelConfig(text_dimension=24, width=8), vocabulary)
    model.observe(batch)
    torch.nn.init.normal_(model.heads.weight_TH)  # at first the hidden path gives nothing

    def outputs(user_known: float, tenure: float) -> Tensor:
        x_BF = batch.x_BF.clone()
        x_BF[:, known], x_BF[:, past] = user_known, tenure
        made: Tensor = model(replace(batch, x_BF=x_BF))
        return made

    usual = float(batch.x_BF[:, past].mean())
    assert torch.equal(outputs(0.0, 0.0), outputs(0.0, 14.0))
    assert not torch.equal(outputs(1.0, 0.0), outputs(1.0, 14.0))
    mean, count = model.features.mean.clone(), model.features.count.clone()
    model.observe(replace(batch, x_BF=batch.x_BF * (torch.arange(batch.x_BF.shape[1]) != known)))
    assert float(model.features.mean[past]) == float(mean[past]) == pytest.approx(usual)
    assert model.features.count[known] > count[known] == model.features.count[past]


def test_losses_pass_over_unknown_labels() -> None:
    """A loss sums over known labels alone, and an unknown one sends no gradient back."""
    outputs_BT = torch.tensor([[0.0, 1.0], [2.0, 5.0]], requires_grad=True)
    labels_BT = torch.tensor([[1.0, 3.0], [math.nan, math.nan]])
    losses_T = task_losses(
        outputs_BT,
        labels_BT,
        torch.full_like(labels_BT, math.nan),
        binary_T=torch.tensor([True, False]),
        deviation_T=torch.tensor([1.0, 2.0]),
    )
    assert losses_T.tolist() == pytest.approx([math.log(2) / 2, 0.5 * 1.0 / 2])
    losses_T.sum().backward()  # type: ignore[no-untyped-call]  # torch does not type it
    assert outputs_BT.grad is not None
    assert outputs_BT.grad[1].tolist() == [0.0, 0.0]
    assert (outputs_BT.grad[0] != 0).all()


def test_outliers_pull_no_harder_than_the_bound() -> None:
    """Past four standard deviations of error the gradient of a regression stops growing."""
    outputs_BT = torch.zeros(2, 1, requires_grad=True)
    labels_BT = torch.tensor([[10.0], [1e6]])
    losses_T = task_losses(
        outputs_BT, labels_BT, torch.full_like(labels_BT, math.nan), binary_T=torch.tensor([False]), deviation_T=torch.ones(1)
    )
    losses_T.sum().backward()  # type: ignore[no-untyped-call]  # torch does not type it
    assert outputs_BT.grad is not None
    assert outputs_BT.grad[0] == outputs_BT.grad[1]


def test_sizes_that_cannot_be_are_refused() -> None:
    """A model without layers or width is no model."""
    with pytest.raises(ValueError, match="hidden"):
        ModelConfig(hidden=())
    with pytest.raises(ValueError, match="1 or more"):
        ModelConfig(width=0)
