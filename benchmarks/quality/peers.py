"""Peers on MovieLens: running means, River's online models, LightGBM; all see the same examples at the same time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from river import linear_model, optim, preprocessing, reco

from benchmarks.quality.examples import Examples, by_time
from deploy.demo.baselines import ItemMean, UserItemMean
from deploy.demo.movielens import Rating

__all__ = ["Means", "Peer", "RiverFactorization", "RiverLogistic", "lightgbm_daily", "run"]

Predictions = NDArray[np.float32]


class Peer(Protocol):
    """A model that predicts a stretch of examples and then learns it."""

    def predict(self, examples: Examples, start: int, stop: int) -> Predictions:
        """(stop - start, 2): probability of a like, stars."""
        ...

    def learn(self, examples: Examples, start: int, stop: int) -> None:
        """Takes the stretch's labels in."""
        ...


def run(peer: Peer, examples: Examples, stretches: Sequence[tuple[int, int]]) -> Predictions:
    """Predictions of all examples, (n, 2), each stretch predicted before any of it is learned."""
    out = np.empty_like(examples.labels)
    for start, stop in stretches:
        out[start:stop] = peer.predict(examples, start, stop)
        peer.learn(examples, start, stop)
    return out


class Means:
    """The demo's baselines: the item's running mean, with or without the user's running bias."""

    def __init__(self, kind: type[ItemMean] | type[UserItemMean]) -> None:
        self._like, self._stars = kind(), kind()

    def predict(self, examples: Examples, start: int, stop: int) -> Predictions:
        ratings = _ratings(examples, start, stop)
        return np.array([(self._like.predict(rating), self._stars.predict(rating)) for rating in ratings], dtype=np.float32)

    def learn(self, examples: Examples, start: int, stop: int) -> None:
        labels = examples.labels[start:stop].tolist()
        for rating, (like, stars) in zip(_ratings(examples, start, stop), labels, strict=True):
            self._like.learn(rating, like)
            self._stars.learn(rating, stars)


class RiverLogistic:
    """River's logistic and linear regression on the same features, standardised as they come."""

    def __init__(self) -> None:
        self._scaler = preprocessing.StandardScaler()
        self._like = linear_model.LogisticRegression(optim.AdaGrad(0.02), intercept_lr=0.001)
        self._stars = linear_model.LinearRegression(optim.AdaGrad(0.02), intercept_init=3.5, intercept_lr=0.001)

    def predict(self, examples: Examples, start: int, stop: int) -> Predictions:
        scaled = [self._scaled(row) for row in _dicts(examples, start, stop)]
        stars = ((self._like.predict_proba_one(row).get(True, 0.5), self._stars.predict_one(row)) for row in scaled)
        return np.array(list(stars), dtype=np.float32)

    def learn(self, examples: Examples, start: int, stop: int) -> None:
        labels = examples.labels[start:stop].tolist()
        for row, (like, stars) in zip(_dicts(examples, start, stop), labels, strict=True):
            self._scaler.learn_one(row)
            scaled = self._scaled(row)
            self._like.learn_one(scaled, like > 0.5)
            self._stars.learn_one(scaled, stars)

    def _scaled(self, row: dict[int, float]) -> dict[int, float]:
        # Early on a variance may be next to nothing; without bounds one such value throws a linear model off.
        return {name: min(max(value, -5.0), 5.0) for name, value in self._scaler.transform_one(row).items()}


class RiverFactorization:
    """River's biased matrix factorization of users and items, one for each task."""

    def __init__(self) -> None:
        self._like, self._stars = _factorization(), _factorization()

    def predict(self, examples: Examples, start: int, stop: int) -> Predictions:
        pairs = _pairs(examples, start, stop)
        return np.array([(self._like.predict_one(*pair), self._stars.predict_one(*pair)) for pair in pairs], dtype=np.float32)

    def learn(self, examples: Examples, start: int, stop: int) -> None:
        labels = examples.labels[start:stop].tolist()
        for pair, (like, stars) in zip(_pairs(examples, start, stop), labels, strict=True):
            self._like.learn_one(*pair, like)
            self._stars.learn_one(*pair, stars)


def lightgbm_daily(
    examples: Examples,
    expected: NDArray[np.float32],
    *,
    objectives: Sequence[str] = ("binary", "regression"),
    settled_seconds: float = 0.0,
    at_least: int = 1000,
    rounds: int = 90,
    seed: int = 0,
) -> tuple[Predictions, int]:
    """LightGBM on the same features, trained again on all the past whenever a simulated day has ended.

    A day that brought few ratings waits for the next: there is a retraining only once `at_least` new ones are there.

    Args:
        examples: in order of time.
        expected: (n, T) what is predicted before the first training.
        objectives: LightGBM's, for each column of labels.
        settled_seconds: after which an example has all its labels. Younger ones are left out of a training: where positives come
            first, they would teach that what is recent is liked.
        at_least: new ratings that make a retraining due.
        rounds: trees of each model.
        seed: of the sampling of rows and columns.

    Returns:
        predictions (n, T), and how many times it was trained.
    """
    import lightgbm  # of the extra `bench`; who wants other peers needs none

    options: dict[str, Any] = {
        "learning_rate": 0.08,
        "max_bin": 63,
        "num_leaves": 15,
        "min_data_in_leaf": 50,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "num_threads": 1,
        "verbosity": -1,
        "seed": seed,
    }
    out = expected.copy()
    # Labels may come later than what was shown after them: a day begins with the first example that belongs to it.
    mornings = [start for start, _ in by_time((np.maximum.accumulate(examples.at) // 86_400).tolist())]
    trainings = [0]
    for morning in mornings:
        if morning - trainings[-1] >= at_least:
            trainings.append(morning)
    for start, stop in pairwise((*trainings[1:], len(examples))):
        for task, objective in enumerate(objectives):
            known = ~np.isnan(examples.labels[:, task]) & _settled(examples, start, settled_seconds)
            if known.sum() < 2 * options["min_data_in_leaf"]:
                continue  # not enough to split once
            past = lightgbm.Dataset(examples.x[known], examples.labels[known, task])
            model = lightgbm.train({**options, "objective": objective}, past, num_boost_round=rounds)
            out[start:stop, task] = model.predict(examples.x[start:stop], num_threads=1)
    return out, len(trainings) - 1


def _settled(examples: Examples, start: int, seconds: float) -> NDArray[np.bool_]:
    """What a training before example `start` may see: all before it or, where labels come late, what was shown long ago."""
    if not seconds:
        return np.arange(len(examples)) < start
    return examples.at + seconds <= float(examples.at[:start].max())


def _factorization() -> reco.BiasedMF:
    # The best of eight settings tried on this very stream, which favours it.
    return reco.BiasedMF(
        n_factors=10,
        bias_optimizer=optim.SGD(0.025),
        latent_optimizer=optim.SGD(0.025),
        weight_initializer=optim.initializers.Zeros(),
        latent_initializer=optim.initializers.Normal(mu=0.0, sigma=0.05, seed=0),
        l2_bias=0.02,
        l2_latent=0.02,
        seed=0,
    )


def _ratings(examples: Examples, start: int, stop: int) -> list[Rating]:
    pairs = _pairs(examples, start, stop)
    return [Rating(row=0, user_id=user, item_id=item, stars=0, at=0) for user, item in pairs]


def _pairs(examples: Examples, start: int, stop: int) -> list[tuple[str, str]]:
    users, items = examples.users[start:stop].tolist(), examples.items[start:stop].tolist()
    return [(str(user), str(item)) for user, item in zip(users, items, strict=True)]


def _dicts(examples: Examples, start: int, stop: int) -> list[dict[int, float]]:
    return [dict(enumerate(row)) for row in examples.x[start:stop].tolist()]
