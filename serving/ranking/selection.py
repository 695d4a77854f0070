"""Selection and order of a list: best first, diversified and within the rules where requested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Constraints", "select"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Constraints:
    """What the list must be, by positions among the C candidates."""

    diversity: float = 0.0
    vectors_CD: NDArray[np.float32] | None = None
    """Text vectors by which items are alike, of length 1 or 0; needed where `diversity` is not 0."""
    caps: Sequence[tuple[NDArray[np.int32], int]] = ()
    """For each cap the candidates' codes (C, K), 0 for none, and how often one may occur."""
    pins: Mapping[int, int] = field(default_factory=dict)
    """Candidate by place of the list."""
    closed_C: NDArray[np.bool_]
    """Candidates that must not be taken, unless pinned."""


def select(scores_C: NDArray[np.float64], keys_C: NDArray[np.uint64], count: int, constraints: Constraints) -> NDArray[np.intp]:
    """At most `count` of the C candidates, each once, in the list's order; equal scores by key, so that replicas agree.

    Diversity is maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): with strength d each place goes to the
    candidate of the largest (1 - d) * score - d * (its greatest cosine to what is in the list), with the scores scaled to
    0 to 1 over the candidates. Items that are less than unrelated count as unrelated.
    """
    best_first = np.lexsort((keys_C, -scores_C))
    if not (constraints.diversity or constraints.caps or constraints.pins):
        return best_first[~constraints.closed_C[best_first]][:count]
    return _Places(scores_C, best_first, constraints).fill(count)


class _Places:
    """Fills a list place by place; every step is one pass of array arithmetic over all candidates."""

    def __init__(self, scores_C: NDArray[np.float64], best_first: NDArray[np.intp], constraints: Constraints) -> None:
        # In the order of the scores, so that the first of equals is the right one.
        self._candidates = best_first
        self._place_of = np.empty_like(best_first)
        self._place_of[best_first] = np.arange(len(best_first))
        scores = scores_C[best_first]
        self._diversity = constraints.diversity
        self._vectors = None
        if constraints.diversity > 0.0 and constraints.vectors_CD is not None:
            self._vectors = constraints.vectors_CD[best_first]
            spread = float(np.ptp(scores)) if len(scores) else 0.0
            scores = (1.0 - constraints.diversity) * (scores - scores.min(initial=np.inf)) / (spread or 1.0)
        self._scores = scores
        self._nearest = np.zeros(len(scores))
        self._caps = [
            (codes_CK[best_first], np.zeros(int(codes_CK.max(initial=0)) + 1, dtype=np.intp), most)
            for codes_CK, most in constraints.caps
        ]
        self._open = ~constraints.closed_C[best_first]
        self._pins = {place: int(self._place_of[at]) for place, at in constraints.pins.items()}
        for at in self._pins.values():
            self._open[at] = False
            self._count(at)

    def fill(self, count: int) -> NDArray[np.intp]:
        chosen: list[int] = []
        while len(chosen) < count:
            at = self._pins.get(len(chosen), -1)
            if at < 0:
                at = self._best()
                if at < 0:
                    break
                self._open[at] = False
                self._count(at)
            chosen.append(at)
            if self._vectors is not None:
                np.maximum(self._nearest, self._vectors @ self._vectors[at], out=self._nearest)
        filled = len(chosen)
        chosen += [at for place, at in sorted(self._pins.items()) if place >= filled]
        return self._candidates[chosen]

    def _best(self) -> int:
        if not self._open.any():
            return -1
        values = self._scores if self._vectors is None else self._scores - self._diversity * self._nearest
        return int(np.where(self._open, values, -np.inf).argmax())

    def _count(self, at: int) -> None:
        for codes_CK, taken, most in self._caps:
            mine = codes_CK[at][codes_CK[at] > 0]
            taken[mine] += 1
            if (full := mine[taken[mine] >= most]).size:
                self._open &= ~np.isin(codes_CK, full).any(axis=1)
