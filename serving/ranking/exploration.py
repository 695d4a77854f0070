"""Drawing a list at random, the good more often, with the chance that each place's item had."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.api.requests import Exploration

__all__ = ["Draw", "draw"]

_AMONG = 50


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Draw:
    """Positions among the candidates."""

    among_A: NDArray[np.intp]
    """What could be drawn, the best first."""
    drawn_K: NDArray[np.intp]
    """What was drawn, in the list's order."""
    propensity_K: NDArray[np.float64]
    """The chance of each to get its place, given the places before it."""

    def as_scores(self, size: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Scores of all `size` candidates by which those drawn come in their order, and which candidates are closed."""
        scores_C, closed_C = np.zeros(size), np.ones(size, dtype=bool)
        scores_C[self.drawn_K] = -np.arange(len(self.drawn_K))
        closed_C[self.drawn_K] = False
        return scores_C, closed_C


def draw(
    scores_C: NDArray[np.float64],
    keys_C: NDArray[np.uint64],
    closed_C: NDArray[np.bool_],
    count: int,
    exploration: Exploration,
    rng: np.random.Generator,
) -> Draw:
    """Draws at most `count` of the open candidates without repetition: Plackett-Luce over the best of them.

    The order of scores / temperature plus standard Gumbel noise has that distribution (Yellott, 1977; Kool et al., ICML 2019,
    section 2); item i gets a place with chance exp(s_i / t) over the sum of the same for all that are left.
    """
    best_first = np.lexsort((keys_C, -scores_C))
    among_A = best_first[~closed_C[best_first]][: exploration.candidate_count or max(_AMONG, 2 * count)]
    logits_A = scores_C[among_A] / exploration.temperature
    order_A = np.argsort(-(logits_A + rng.gumbel(size=len(among_A))), kind="stable")
    in_order_A = logits_A[order_A]
    # The logarithm of what is left at each place, summed from the end, so that small chances do not cancel out.
    left_A = np.logaddexp.accumulate(in_order_A[::-1])[::-1]
    return Draw(
        among_A=among_A, drawn_K=among_A[order_A[:count]], propensity_K=np.exp(np.minimum(in_order_A - left_A, 0.0))[:count]
    )
