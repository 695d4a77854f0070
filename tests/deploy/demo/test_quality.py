"""The report's figures where the library has none."""

import numpy as np

from deploy.demo.quality import auc


def test_one_class_has_no_auc() -> None:
    """Without both classes the figure is NaN, not a made-up half."""
    assert np.isnan(auc([1, 1], [0.2, 0.3]))
