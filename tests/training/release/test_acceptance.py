"""The judgement on weights: what is refused, and for which reason."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.model import ModelConfig, Recommender
from training.release.acceptance import Bounds, judge
from training.trainer import Trainer, TrainerConfig

Stream = Callable[..., list[Batch]]
CONFIG = TrainerConfig(model=ModelConfig(text_dimension=24, width=4, hidden=(8,)), replay_capacity=256, learning_rate=3e-3)
BOUNDS = Bounds()


@pytest.fixture(scope="module")
def trained(vocabulary: Vocabulary, stream: Stream) -> Recommender:
    """A model that has learned for a while."""
    trainer = Trainer(CONFIG, vocabulary, seed=1)
    for batch in stream(120):
        trainer.learn(batch)
    return trainer.model


@pytest.fixture(scope="module")
def holdout(stream: Stream) -> Batch:
    """Examples that the model has not seen."""
    return stream(1, size=400, seed=9)[0]


def _copy(model: Recommender) -> Recommender:
    copied = Recommender(model.config, model.vocabulary)
    copied.load_state_dict(model.state_dict())
    return copied


def _reason(candidate: Recommender, good: Recommender | None, holdout: Batch | None, bounds: Bounds = BOUNDS) -> tuple[str, str]:
    found = judge(candidate, good, holdout, bounds)
    first = found.whole or next(iter(found.objections.values()), None)
    return ("", "") if first is None else (first.reason, first.task)


def test_weights_that_are_as_good_pass(trained: Recommender, holdout: Batch) -> None:
    """With and without something to compare with, and with nothing held out yet."""
    assert _reason(trained, None, None) == ("", "")
    assert _reason(trained, None, holdout) == ("", "")
    assert _reason(_copy(trained), trained, holdout) == ("", "")


def test_weights_that_are_not_finite_are_refused(trained: Recommender) -> None:
    """Statistics and calibration count as well as parameters."""
    for name in ("heads.weight_TH", "calibration.slope_T"):
        broken = _copy(trained)
        broken.state_dict()[name].fill_(math.nan)
        assert _reason(broken, trained, None) == ("not_finite", "")


def test_weights_that_have_grown_are_refused(trained: Recommender, holdout: Batch) -> None:
    """A norm that doubles between two judgements is no learning."""
    grown = _copy(trained)
    with torch.no_grad():
        for weight in grown.parameters():
            weight.mul_(2.1)
    assert _reason(grown, trained, holdout)[0] == "norm"


def test_a_task_that_got_worse_than_the_last_good_weights_is_named(trained: Recommender, holdout: Batch) -> None:
    """One task's head forgets what it knew; the others are as they were."""
    worse = _copy(trained)
    with torch.no_grad():
        worse.heads.skip.weight[1] *= 0.3
        worse.heads.weight_TH[1] *= 0.3
    assert _reason(worse, trained, holdout) == ("loss", "seconds")


def test_a_task_worse_than_its_mean_label_is_refused_even_at_the_start(trained: Recommender, holdout: Batch) -> None:
    """There need be no last good weights to see that predictions point the wrong way."""
    inverted = _copy(trained)
    with torch.no_grad():
        inverted.heads.skip.weight[0] *= -1.0
        inverted.heads.weight_TH[0] *= -1.0
    assert _reason(inverted, None, holdout) == ("mean", "click")


def test_a_task_that_is_out_of_calibration_is_refused(trained: Recommender, holdout: Batch) -> None:
    """Ranks are as before and the loss is within its bound, but three times the rate is announced."""
    rare = replace(holdout, labels_BT=holdout.labels_BT.clone())
    rare.labels_BT[:, 0] = (torch.arange(len(rare)) % 10 == 0).float()
    high = _copy(trained)
    with torch.no_grad():
        high.heads.skip.weight[0] = 0.0
        high.heads.weight_TH[0] = 0.0
        high.heads.skip.bias[0] = -1.1
    lax = Bounds(worse_at_most=3.0)
    assert _reason(high, None, rare, lax) == ("calibration", "click")


def test_few_labels_say_nothing(trained: Recommender, holdout: Batch) -> None:
    """Chance would refuse good weights."""
    inverted = _copy(trained)
    with torch.no_grad():
        inverted.heads.skip.weight[0] *= -1.0
    assert _reason(inverted, None, holdout.rows(torch.arange(40))) == ("", "")


def test_a_task_without_any_positive_is_neither_refused_nor_passed(trained: Recommender, holdout: Batch) -> None:
    """A click rate of 0, predicted as next to nothing: no ratio of the two says anything. The others are judged."""
    none = replace(holdout, labels_BT=holdout.labels_BT.clone())
    none.labels_BT[:, 0] = 0.0
    low = _copy(trained)
    with torch.no_grad():
        low.heads.skip.weight[0] = 0.0
        low.heads.weight_TH[0] = 0.0
        low.heads.skip.bias[0] = -6.0
    assert judge(low, None, none, BOUNDS).tasks == {"seconds": None, "stars": None}
    with torch.no_grad():
        low.heads.skip.bias[0] = -1.5
    assert _reason(low, None, none) == ("calibration", "click"), "so many would hardly be wrong by chance"


def test_next_to_no_loss_may_be_twice_as_much(trained: Recommender, holdout: Batch) -> None:
    """Of labels that are all but certain a loss of a thousandth is as good as one of half of it."""
    rare = replace(holdout, labels_BT=holdout.labels_BT.clone())
    rare.labels_BT[:, 0] = 0.0
    models = []
    for bias in (-7.0, -8.0):
        models.append(_copy(trained))
        with torch.no_grad():
            models[-1].heads.skip.weight[0] = 0.0
            models[-1].heads.weight_TH[0] = 0.0
            models[-1].heads.skip.bias[0] = bias
    assert judge(models[0], models[1], rare, BOUNDS).objections == {}


def test_bounds_that_mean_nothing_are_refused() -> None:
    """A factor of one or less would refuse everything."""
    with pytest.raises(ValueError, match="worse_at_most is a factor above 1"):
        Bounds(worse_at_most=0.9)
    with pytest.raises(ValueError, match="labels_at_least"):
        Bounds(labels_at_least=1)
