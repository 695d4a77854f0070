"""Metrics that models are compared by: of single predictions, and of the lists that they would make."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.demo.quality import auc, rmse
from training.metrics.ranking import rank_quality

__all__ = ["figures", "gauc", "log_loss", "spread", "windows"]


def gauc(users: NDArray[np.int64], labels: NDArray[np.float32], scores: NDArray[np.float32]) -> float:
    """AUC within each user who has both labels, averaged by the user's number of examples (Zhu et al., KDD 2017, eq. 1).

    >>> gauc(np.array([1, 1, 2, 2, 3]), np.array([0, 1, 1, 0, 1]), np.array([0.1, 0.9, 0.1, 0.9, 0.5]))
    0.5
    """
    order = np.argsort(users, kind="stable")
    starts = np.flatnonzero(np.diff(users[order], prepend=-1))
    total = weight = 0.0
    for part in np.split(order, starts[1:]):
        if 0.0 < labels[part].mean() < 1.0:
            total += len(part) * auc(labels[part], scores[part])
            weight += len(part)
    return total / weight if weight else float("nan")


def log_loss(labels: NDArray[np.float32], probabilities: NDArray[np.float32]) -> float:
    """Mean negative log likelihood in nats; probabilities are kept within 0.001 of 0 and 1, where means may lie beyond.

    >>> round(log_loss(np.array([1.0, 0.0]), np.array([0.5, 0.5])), 4)
    0.6931
    """
    p = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-3, 1 - 1e-3)
    return float(-np.mean(np.where(labels > 0.5, np.log(p), np.log1p(-p))))


def windows(size: int) -> dict[str, slice]:
    """The stretches that are judged."""
    return {"all": slice(0, size), "last_fifth": slice(size - size // 5, size)}


def figures(
    users: NDArray[np.int64], items: NDArray[np.int64], labels: NDArray[np.float32], predictions: NDArray[np.float32]
) -> dict[str, float]:
    """Metrics of `like` (column 0, a probability) and `stars` (column 1) over the examples, and of lists of ten by `like`."""
    return {
        "auc": auc(labels[:, 0], predictions[:, 0]),
        "gauc": gauc(users, labels[:, 0], predictions[:, 0]),
        "log_loss": log_loss(labels[:, 0], predictions[:, 0]),
        "rmse": rmse(labels[:, 1], predictions[:, 1]),
        **asdict(rank_quality(users, items, labels[:, 0], predictions[:, 0])),
    }


def spread(runs: list[dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Mean, lowest and highest of each metric over the seeds."""
    return {
        name: {
            "mean": float(np.mean([run[name] for run in runs])),
            "min": min(run[name] for run in runs),
            "max": max(run[name] for run in runs),
        }
        for name in runs[0]
    }
