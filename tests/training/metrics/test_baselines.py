"""Baselines know the past alone."""

import numpy as np
import pytest

from feature_repo.tasks import Task
from training.metrics.baselines import boosted_trees


def test_trees_learn_what_was_labelled_before_the_last_part_was_shown() -> None:
    """Labels that came later, and were turned round, teach nothing."""
    pytest.importorskip("lightgbm", reason="trees come with the extra `lightgbm`")
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1000, 3)).astype(np.float32)
    labels = (features[:, :1] > 0).astype(np.float32)
    shown_at = np.arange(1000, dtype=np.float64)
    labelled_at = shown_at.copy()
    labels[600:800] = 1 - labels[600:800]
    labelled_at[600:800] = 900.0
    made = boosted_trees(
        [Task(name="click", kind="binary", event="click")], features, labels, shown_at=shown_at, labelled_at=labelled_at, last=200
    )
    assert np.isnan(made[:800]).all()
    assert ((made[800:] > 0.5) == (labels[800:] > 0.5)).mean() > 0.95
