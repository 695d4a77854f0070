"""Tests tasks that are conditioned on others, on a funnel of impressions, clicks and purchases whose true rates are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from training.batch import Batch, make_batch
from training.checks import CHECKS
from training.model import ModelConfig, Recommender
from training.trainer import Trainer, TrainerConfig, TrainerError

CLICK = '[tasks.click]\nkind = "binary"\nevent = "click"\n'
BUY = '[tasks.buy]\nkind = "binary"\nevent = "purchase"\n'
FUNNEL = Vocabulary(parse_tasks(CLICK + BUY + 'given = "click"'))
APART = Vocabulary(parse_tasks(CLICK + BUY))
CONFIG = TrainerConfig(model=ModelConfig(text_dimension=4, width=4, hidden=(16, 8)), learning_rate=2e-3)


def funnel(count: int, *, size: int = 32) -> list[Batch]:
    """Batches in which clicks come at 2 to 60 %, and purchases only after them; what draws clicks puts buyers off."""
    random = np.random.default_rng(0)
    batches = []
    for _ in range(count):
        x = random.normal(size=(size, len(FUNNEL.features)))
        click = random.random(size) < 1 / (1 + np.exp(1.5 - 1.5 * x[:, 3]))
        buy = click & (random.random(size) < 1 / (1 + np.exp(1.0 + x[:, 3] - x[:, 7])))
        batches.append(
            make_batch(
                features=x,
                item_rows=np.full(size, -1),
                history_rows=[np.empty(0, dtype=np.int64)] * size,
                history_values=[np.empty(0)] * size,
                vectors=np.zeros((1, 4), dtype=np.float32),
                labels=np.column_stack((click, buy)).astype(np.float32),
                tasks=2,
            )
        )
    return batches


def predictions(vocabulary: Vocabulary, batches: list[Batch], *, clicked_only: bool = False) -> tuple[Trainer, Tensor]:
    """Learns all batches; returns the predictions of the last 400."""
    trainer, made = Trainer(CONFIG, vocabulary, seed=0), []
    for batch in batches:
        labels_BT = batch.labels_BT.clone()
        if clicked_only:
            labels_BT[labels_BT[:, 0] == 0.0, 1] = math.nan
        made.append(trainer.learn(replace(batch, labels_BT=labels_BT)).predictions_BT)
    return trainer, torch.cat(made[-400:])


def test_product_is_calibrated_over_impressions_where_learning_from_clicks_alone_is_not() -> None:
    """Predicted purchases are as many as come, wherever clicks are likely or not; from clicks alone, several times as many."""
    batches = funnel(1600)
    labels_BT = torch.cat([batch.labels_BT for batch in batches[-400:]])
    x_B = torch.cat([batch.x_BF[:, 3] for batch in batches[-400:]])
    _, joint_BT = predictions(FUNNEL, batches)
    _, biased_BT = predictions(APART, batches, clicked_only=True)
    for part_B in (x_B > -9, x_B < -0.4, x_B.abs() <= 0.4, x_B > 0.4):
        assert float(joint_BT[part_B, 1].mean() / labels_BT[part_B, 1].mean()) == pytest.approx(1.0, abs=0.15)
    assert float(biased_BT[:, 1].mean() / labels_BT[:, 1].mean()) > 3.0


def test_nothing_is_bought_more_often_than_clicked() -> None:
    """A product cannot exceed its factors, whatever the heads say; a first prediction is the usual rate of the task itself."""
    trainer, made_BT = predictions(FUNNEL, funnel(50))
    assert (made_BT[:, 1] <= made_BT[:, 0]).all()
    with torch.no_grad():
        trainer.model.heads.skip.bias.copy_(torch.tensor([-30.0, 40.0]))
    extreme_BT = trainer.model.predict(funnel(1)[0])
    assert extreme_BT.isfinite().all()
    assert (extreme_BT[:, 1] <= extreme_BT[:, 0] + 1e-6).all()


def test_untrained_product_starts_at_the_usual_rate() -> None:
    """Before any step the chance of a purchase is how often impressions end in one, not that times the click rate."""
    model = Recommender(CONFIG.model, FUNNEL)
    batch = funnel(1, size=2000)[0]
    model.observe(batch)
    usual = replace(batch, x_BF=torch.full_like(batch.x_BF, math.nan))
    assert model.predict(usual)[0].tolist() == pytest.approx(batch.labels_BT.mean(0).tolist(), rel=0.02)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conditioned_tasks_conform(check: object) -> None:
    """The guarantees of `training.checks` hold for conditioned tasks too."""
    assert callable(check)
    check(lambda: Trainer(CONFIG, FUNNEL, seed=0), funnel(1)[0])


def test_checkpoint_of_unconditioned_tasks_is_refused() -> None:
    """Heads that learned another meaning are not taken up in silence."""
    state = Trainer(CONFIG, APART, seed=0).state_dict()
    with pytest.raises(TrainerError, match="restore its tasks file"):
        Trainer(CONFIG, FUNNEL, seed=0).load_state_dict(state)
