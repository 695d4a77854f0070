"""Learner's predictions as the demo judges them: matched to the ratings, beside the baselines, over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.demo.baselines import progressive
from deploy.demo.movielens import Rating
from deploy.demo.quality import auc, rmse

__all__ = ["LIKE", "DemoQuality", "judge"]

LIKE = 4.0
"""Stars from which a rating counts as a like."""

_WINDOW = 5_000
_STEP = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoQuality:
    """Figures by name, and the curves behind them."""

    figures: dict[str, dict[str, float]]
    """`auc_like`, `rmse_stars` and their `..._last_fifth`: each by model."""
    events: list[int]
    """Ratings seen at each point of the curves."""
    curves: dict[str, dict[str, list[float]]]
    """`auc_like` and `rmse_stars` over the 5,000 ratings before each point: by model."""
    judged: int
    """Ratings for which Headwater's prediction was found; baselines are judged on the same ones."""


def judge(ratings: Sequence[Rating], predictions: Mapping[tuple[str, str], tuple[float, float]]) -> DemoQuality:
    """Quality of progressive predictions (probability of a like, stars) by user and item.

    Every model is judged on the ratings that have a prediction; the last fifth is that of all ratings in order of time.
    """
    found = np.array([(rating.user_id, rating.item_id) in predictions for rating in ratings])
    place_N: NDArray[np.int64] = np.flatnonzero(found)
    stars_N = np.array([ratings[place].stars for place in place_N], dtype=np.float64)
    models: dict[str, dict[str, NDArray[np.float64]]] = {
        name: {task: np.array(values)[place_N] for task, values in by_task.items()}
        for name, by_task in progressive(ratings, LIKE).items()
    }
    own_N2 = np.array([predictions[ratings[place].user_id, ratings[place].item_id] for place in place_N]).reshape(-1, 2)
    models = {"headwater": {"like": own_N2[:, 0], "stars": own_N2[:, 1]}, **models}
    like_N = stars_N >= LIKE

    def figures(part: Any) -> dict[str, dict[str, float]]:
        return {
            "auc_like": {name: auc(like_N[part], model["like"][part]) for name, model in models.items()},
            "rmse_stars": {name: rmse(stars_N[part], model["stars"][part]) for name, model in models.items()},
        }

    whole = figures(slice(None))
    last = {f"{name}_last_fifth": values for name, values in figures(place_N >= len(ratings) * 4 // 5).items()}
    ends = range(min(_WINDOW, len(place_N)), len(place_N) + 1, _STEP) if len(place_N) else range(0)
    windows = [figures(slice(end - min(_WINDOW, end), end)) for end in ends]
    curves = {
        name: {model: [window[name][model] for window in windows] for model in models} for name in ("auc_like", "rmse_stars")
    }
    return DemoQuality(
        figures={**whole, **last},
        events=[int(place_N[end - 1]) + 1 for end in ends],
        curves=curves,
        judged=len(place_N),
    )
