"""The report's figures agree with an independent implementation."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_auroc

from deploy.demo.quality import auc


def test_auc_agrees_with_torchmetrics_with_many_ties() -> None:
    """Rank arithmetic and torchmetrics' curve give one area on coarse scores."""
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 500), rng.integers(0, 10, 500) / 10
    assert auc(labels, scores) == pytest.approx(float(binary_auroc(torch.tensor(scores), torch.tensor(labels))), abs=1e-6)


def test_one_class_has_no_auc() -> None:
    """Without both classes the figure is NaN, not a made-up half."""
    assert np.isnan(auc([1, 1], [0.2, 0.3]))
