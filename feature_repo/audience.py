"""Audience of an item: the users its row remembers, and the similarity of two items to the same people.

An item remembers its latest users under their aliases, as a user's row remembers its latest items. Two items are alike as far as
the same people like both more, or both less, than others do: item-to-item collaborative filtering (Sarwar et al., WWW 2001),
on the stream, and from each item's own row.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_repo.vocabulary import AUDIENCE

__all__ = ["PLACES", "Audience", "affinities", "audience_of", "remember"]

PLACES = 1 << 16
"""Where audiences are compared, aliases are told apart by their last 16 bits."""

_SHRINKAGE = 20.0
"""Users by which an audience is taken to be larger than it is, so that a few who agree by chance do not count for much."""

_TINY = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Audience:
    """What the latest A users, at most AUDIENCE, think of an item."""

    places_A: NDArray[np.uint16]
    """Each user's place among PLACES."""
    opinions_TA: NDArray[np.float32]
    """For each task labels less their mean, of length 1 at most: products of two items' opinions are a (shrunk) cosine."""


def remember(audience_AC: NDArray[np.float64], alias: int, at: float, labels: list[float]) -> NDArray[np.float64]:
    """The users of an item with what one of them did at time `at`; the columns are alias, Unix seconds, a label a task.

    They stay in order of time, and beyond AUDIENCE of them who acted the longest ago is dropped. Of a user's labels for a task
    the later one stays.
    """
    entry_C = np.array([alias, at, *labels])
    known = np.flatnonzero(audience_AC[:, 0] == alias)
    if len(known):
        old_C = audience_AC[known[0]]
        later_C, earlier_C = (entry_C, old_C) if at >= old_C[1] else (old_C, entry_C)
        entry_C = np.where(np.isnan(later_C), earlier_C, later_C)
        audience_AC = np.delete(audience_AC, known[0], axis=0)
    place = int(np.searchsorted(audience_AC[:, 1], entry_C[1], side="right"))
    return np.concatenate((audience_AC[:place], entry_C[None], audience_AC[place:]))[-AUDIENCE:]


def audience_of(audience_AC: NDArray[np.float64], counters_2TH: NDArray[np.float64]) -> Audience:
    """What is published of an item's users; `counters_2TH` are its observations and sums of labels, by task."""
    tasks = len(counters_2TH) // 2
    observed_T, sums_T = counters_2TH[:tasks, -1], counters_2TH[tasks:, -1]
    columns_CA = np.ascontiguousarray(audience_AC.T)
    off_TA = columns_CA[2:] - (sums_T / np.maximum(observed_T, 1.0))[:, None]
    unknown_TA = np.isnan(off_TA)
    off_TA[unknown_TA] = 0.0
    known_T = off_TA.shape[1] - np.count_nonzero(unknown_TA, axis=1)
    length_T = np.sqrt((off_TA * off_TA).sum(axis=1) * (1.0 + _SHRINKAGE / np.maximum(known_T, 1)) + _TINY)
    places_A = columns_CA[0].astype(np.uint32).astype(np.uint16)
    return Audience(places_A=places_A, opinions_TA=(off_TA / length_T[:, None]).astype(np.float32))


def affinities(
    places_BA: NDArray[np.uint16],
    opinions_BTA: NDArray[np.float32],
    places_NA: NDArray[np.uint16],
    opinions_NTA: NDArray[np.float32],
    residual_NT: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum over a history of N items of the user's residual times the cosine of the candidate's audience with theirs, (B, T).

    No cosine is made: one pass over the history gives every other user a weight, by how far they agree with this one, and
    one over the candidates sums those users' opinions by it.
    """
    size, tasks, _ = opinions_BTA.shape
    sums_BT, places_M = np.zeros((size, tasks)), places_NA.ravel().astype(np.intp)
    for task in np.flatnonzero(residual_NT.any(axis=0)).tolist():
        shares_NA = opinions_NTA[:, task] * residual_NT[:, task, None].astype(np.float32)
        weights_P = np.zeros(PLACES, dtype=np.float32)
        np.add.at(weights_P, places_M, shares_NA.ravel())
        sums_BT[:, task] = np.einsum("ba,ba->b", weights_P.take(places_BA), opinions_BTA[:, task])
    return sums_BT
