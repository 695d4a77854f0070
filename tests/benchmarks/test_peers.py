"""Peers predict before they learn, from what all models see; left out where the extra `bench` is not installed."""

import numpy as np
import pytest

from benchmarks.quality.examples import Examples, by_count
from deploy.demo.baselines import UserItemMean
from feature_repo.vocabulary import HISTORY

pytest.importorskip("lightgbm")
pytest.importorskip("river")


def examples(size: int = 4000) -> Examples:
    """Stars follow the first feature with noise, two hundred ratings a day."""
    random = np.random.default_rng(0)
    x = random.normal(size=(size, 6)).astype(np.float32)
    stars = 3.5 + x[:, 0] + 0.3 * random.normal(size=size)
    return Examples(
        x=x,
        users=random.integers(40, size=size),
        items=random.integers(60, size=size),
        history=np.full((size, HISTORY), -1, dtype=np.int64),
        history_values=np.zeros((size, HISTORY, 3), dtype=np.float32),
        labels=np.stack((stars >= 3.5, stars), axis=1).astype(np.float32),
        at=np.arange(size, dtype=np.float64) * 432.0,
        vectors=np.zeros((60, 4), dtype=np.float32),
    )


def test_lightgbm_learns_only_from_ended_days() -> None:
    """What precedes the first training is left as given; after it predictions follow the feature; one training a 1,000."""
    from benchmarks.quality.peers import lightgbm_daily

    made = examples()
    predictions, trainings = lightgbm_daily(made, np.full((4000, 2), 9.0, dtype=np.float32))
    assert trainings == 3
    assert (predictions[:1000] == 9.0).all()
    assert np.corrcoef(predictions[1000:, 1], made.labels[1000:, 1])[0, 1] > 0.9


def test_river_and_means_learn_after_predicting() -> None:
    """The first stretch is predicted blindly; later ones of the linear model follow the feature."""
    from benchmarks.quality import peers

    made = examples()
    bounds = by_count(4000, 4)
    linear = peers.run(peers.RiverLogistic(), made, bounds)
    assert len(set(linear[:4, 0].tolist())) == 1
    assert np.corrcoef(linear[2000:, 1], made.labels[2000:, 1])[0, 1] > 0.9
    for peer in (peers.RiverFactorization(), peers.Means(UserItemMean)):
        predictions = peers.run(peer, made, bounds)
        assert np.isfinite(predictions).all()
        assert abs(predictions[2000:, 1].mean() - 3.5) < 0.2
