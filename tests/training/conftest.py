"""Made-up stream that the tests of learning share; its labels follow a known rule with noise."""

from collections.abc import Callable

import numpy as np
import pytest

from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from training.batch import Batch, make_batch

ITEMS, DIMENSION = 200, 24

Stream = Callable[..., list[Batch]]


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """One task of each kind."""
    return Vocabulary(
        parse_tasks(
            """
            [tasks.click]
            kind = "binary"
            event = "click"
            [tasks.seconds]
            kind = "duration"
            event = "read"
            [tasks.stars]
            kind = "regression"
            event = "rate"
            """
        )
    )


@pytest.fixture(scope="session")
def stream(vocabulary: Vocabulary) -> Stream:
    """Makes batches; a label depends on one feature and on how alike item and history are, so both paths can be learned."""

    def make(count: int, *, size: int = 16, seed: int = 0) -> list[Batch]:
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(ITEMS, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return [_batch(rng, vectors, len(vocabulary.features), size) for _ in range(count)]

    return make


def _batch(rng: np.random.Generator, vectors: np.ndarray, features: int, size: int) -> Batch:
    x = rng.normal(loc=3.0, scale=2.0, size=(size, features))
    items = rng.integers(0, ITEMS, size)
    histories = [rng.integers(0, ITEMS, rng.integers(0, 8)) for _ in range(size)]
    values = [np.column_stack((rng.normal(size=(len(history), 3)), rng.uniform(0, 15, len(history)))) for history in histories]
    signal = (x[:, 1] - 3.0) / 2.0 + rng.normal(scale=0.5, size=size)
    labels = np.column_stack((signal > 0, np.log1p(np.exp(signal + 3.0)), 3.5 + signal))
    labels[rng.random(labels.shape) < 0.1] = np.nan
    lower_bounds = np.full_like(labels, np.nan)
    lower_bounds[:, 1] = np.where(np.isnan(labels[:, 1]), 2.0, np.nan)
    return make_batch(
        features=x,
        item_rows=items,
        history_rows=histories,
        history_values=values,
        vectors=vectors,
        labels=labels,
        lower_bounds=lower_bounds.tolist(),
        ids=np.column_stack((1 + np.arange(size) % 7, 100 + items, np.full(size, 1_000_000))),
        tasks=3,
    )
