"""The judgement on candidates."""

import torch

from streams.judge import losses, objection
from tests.feature_repo.worlds import VOCABULARY
from training.model import ModelConfig, Recommender
from training.progress import Quality

CONFIG = ModelConfig(text_dimension=6, width=4, hidden=(8,))


def test_a_candidate_is_judged_by_each_task_it_has_labels_for() -> None:
    """Log loss for binary tasks, RMSE for others; a task without labels says nothing."""
    qualities = {
        "click": Quality(count=9, rmse=0.4, calibration=1.0, log_loss=0.6),
        "dwell": Quality(count=9, rmse=1.5, calibration=1.0),
        "like": Quality(count=0, rmse=float("nan"), calibration=float("nan")),
    }
    assert losses(VOCABULARY.tasks, qualities) == {"click": 0.6, "dwell": 1.5}


def test_a_candidate_that_is_broken_or_much_worse_is_refused_with_its_reason() -> None:
    """The reason reaches the log and whoever is paged."""
    model = Recommender(CONFIG, VOCABULARY)
    assert objection(model, {"click": 0.6}, {}, worse_at_most=1.5) is None
    assert objection(model, {"click": 0.6}, {"click": 0.5}, worse_at_most=1.5) is None
    assert "task click" in (objection(model, {"click": 0.8}, {"click": 0.5}, worse_at_most=1.5) or "")
    assert "not finite" in (objection(model, {"click": float("nan")}, {}, worse_at_most=1.5) or "")
    with torch.no_grad():
        next(iter(model.parameters())).fill_(float("inf"))
    assert "weights" in (objection(model, {"click": 0.6}, {}, worse_at_most=1.5) or "")
