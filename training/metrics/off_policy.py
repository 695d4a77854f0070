"""Off-policy estimates of another ranking's reward, from lists drawn at random with logged propensities.

Shape suffixes: A candidates that a list was drawn from, K places of the list.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.metrics.lists import Estimate

__all__ = ["DrawnList", "Estimates", "evaluate"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DrawnList:
    """One list of the log, and how the ranking that is judged scores its candidates."""

    scores_A: NDArray[np.float64]
    """Rank scores by the ranking that is judged."""
    shown_K: NDArray[np.intp]
    """Candidates that were shown, by place."""
    propensity_K: NDArray[np.float64]
    """The chance of each when it was drawn, given the places before it."""
    reward_K: NDArray[np.float64]
    expected_A: NDArray[np.float64] | None = None
    """What each candidate was expected to earn, known before the rewards; for the doubly robust estimate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimates:
    """The same quantity by several estimators, and what the logged lists earned."""

    lists: int
    effective_lists: float
    """How many lists, drawn by the judged ranking itself, would tell as much (Kish); few of many is a warning."""
    logged: Estimate
    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate | None


def evaluate(lists: Sequence[DrawnList], *, temperature: float = 0.0) -> Estimates:
    """Judges the ranking that draws by its scores at `temperature` (Plackett-Luce), or at 0 always takes the best.

    A user is taken to go down the list: a place's reward may depend on the places before it and not on those after. Each place
    is weighted by the chances of all places up to it under the judged ranking, over those under the logged one (reward
    interaction IPS, McInerney et al., KDD 2020). SNIPS divides by the mean weight of each place (Swaminathan and Joachims,
    NeurIPS 2015); the doubly robust estimate weights only what `expected_A` did not foresee (Kiyohara et al., WSDM 2022).

    Raises:
        ValueError: no lists.
    """
    if not lists:
        raise ValueError("evaluate: no list to judge by; give those of a log with exploration")
    judged = [_judge(one, temperature) for one in lists]
    places = max(len(one.reward_K) for one in lists)
    weight_LK = np.zeros((len(lists), places))
    reward_LK = np.zeros((len(lists), places))
    robust_L = np.zeros(len(lists))
    for at, (one, (weight_K, robust)) in enumerate(zip(lists, judged, strict=True)):
        weight_LK[at, : len(weight_K)] = weight_K
        reward_LK[at, : len(weight_K)] = one.reward_K
        robust_L[at] = robust
    mean_weight_K = np.maximum(weight_LK.mean(axis=0), 1e-300)
    normal_K = (weight_LK * reward_LK).mean(axis=0) / mean_weight_K
    # The influence of each list on the ratio of two means, which gives its error.
    influence_L = (weight_LK * (reward_LK - normal_K) / mean_weight_K).sum(axis=1)
    total, squares = weight_LK[:, -1].sum(), (weight_LK[:, -1] ** 2).sum()
    return Estimates(
        lists=len(lists),
        effective_lists=float(total**2 / squares) if squares else 0.0,
        logged=_mean(reward_LK.sum(axis=1)),
        ips=_mean((weight_LK * reward_LK).sum(axis=1)),
        snips=Estimate(value=float(normal_K.sum()), error=_mean(influence_L).error),
        doubly_robust=None if any(one.expected_A is None for one in lists) else _mean(robust_L),
    )


def _judge(one: DrawnList, temperature: float) -> tuple[NDArray[np.float64], float]:
    """The weight of each place, (K,), and the list's doubly robust value."""
    left_A = np.ones(len(one.scores_A), dtype=bool)
    weight_K = np.ones(len(one.shown_K))
    weight, robust = 1.0, 0.0
    for place, (shown, propensity) in enumerate(zip(one.shown_K, one.propensity_K, strict=True)):
        chance_A = _chances(one.scores_A, left_A, temperature)
        before, weight = weight, weight * float(chance_A[shown]) / float(propensity)
        if one.expected_A is not None:
            surprise = one.reward_K[place] - one.expected_A[shown]
            robust += before * float(chance_A @ one.expected_A) + weight * float(surprise)
        weight_K[place] = weight
        left_A[shown] = False
    return weight_K, robust


def _chances(scores_A: NDArray[np.float64], left_A: NDArray[np.bool_], temperature: float) -> NDArray[np.float64]:
    """The chance of each candidate that is left to get the next place."""
    open_A = np.where(left_A, scores_A, -np.inf)
    if temperature == 0.0:
        best_A: NDArray[np.float64] = (np.arange(len(open_A)) == open_A.argmax()).astype(np.float64)
        return best_A
    odds_A = np.exp((open_A - open_A.max()) / temperature)
    chance_A: NDArray[np.float64] = odds_A / odds_A.sum()
    return chance_A


def _mean(values_L: NDArray[np.float64]) -> Estimate:
    spread = float(values_L.std(ddof=1)) if len(values_L) > 1 else math.nan
    return Estimate(value=float(values_L.mean()), error=spread / math.sqrt(len(values_L)))
