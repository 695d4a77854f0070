"""Owns which items are candidates for a user's list: near to what was liked, trending, and new."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feature_repo.counters import ALL, DAY, MONTH, decay
from feature_repo.rows import UserRow
from feature_repo.table import ItemTable

__all__ = ["candidates"]

_ACTIONS = 1  # second of a row's counters, see Vocabulary.counters
_LIKED = 10  # engagements that the neighbours are sought of


def candidates(
    table: ItemTable, row: UserRow, rows_M: NDArray[np.intp], *, context_D: NDArray[np.float32] | None, now: float, pool: int
) -> NDArray[np.intp]:
    """At most `pool` of the rows `rows_M`, each once: the sources take turns, each with its best first.

    The neighbours are exact: one product of the liked items' vectors (or the context's) with all eligible ones.
    """
    if len(rows_M) <= pool:
        return rows_M
    vectors_MD = table.vectors[rows_M]
    sources: list[NDArray[np.floating]] = [_trending(table, rows_M, now), _newest(table, rows_M, now)]
    liked_P = _liked(table, row)
    if len(liked_P):
        sources.insert(0, (vectors_MD @ table.vectors[liked_P].T).max(axis=1))
    if context_D is not None:
        sources.insert(0, vectors_MD @ context_D)
    chosen = _take_turns([_best(score_M, pool) for score_M in sources], pool)
    taken: NDArray[np.intp] = rows_M[chosen]
    return taken


def _liked(table: ItemTable, row: UserRow) -> NDArray[np.intp]:
    """Rows of the latest engagements that were no worse than usual, with text; those without any label count as liked."""
    better_R = np.nansum(row.recent_R[:, 1:] - table.priors(), axis=1) >= 0.0
    rows_R = table.rows(row.recent_ids)[better_R]
    rows_R = rows_R[rows_R >= 0]
    liked_P: NDArray[np.intp] = rows_R[table.vectors[rows_R].any(axis=1)][:_LIKED]
    return liked_P


def _trending(table: ItemTable, rows_M: NDArray[np.intp], now: float) -> NDArray[np.float64]:
    """Actions a day by the day's counter, then the month's, then all: the slower ones decide where the faster are silent."""
    actions_MH = table.counters[rows_M, _ACTIONS] * decay(now - table.updated_at[rows_M])
    trend_M: NDArray[np.float64] = actions_MH[:, DAY] + actions_MH[:, MONTH] / 30.0 + actions_MH[:, ALL] / 3650.0
    return trend_M


def _newest(table: ItemTable, rows_M: NDArray[np.intp], now: float) -> NDArray[np.float64]:
    """Time of publication; what has none, or is to come, goes last."""
    published_M = table.published_at[rows_M]
    return np.where((published_M != 0.0) & (published_M <= now), published_M, -np.inf)


def _best(score_M: NDArray[np.floating], pool: int) -> NDArray[np.intp]:
    """Positions of the `pool` highest scores, the highest first."""
    part = np.argpartition(-score_M, pool - 1)[:pool]
    return part[np.argsort(-score_M[part], kind="stable")]


def _take_turns(ranked: Sequence[NDArray[np.intp]], pool: int) -> NDArray[np.intp]:
    """The first of each list, the second of each, ...: every position once, until `pool` are taken."""
    in_turn = np.stack(ranked, axis=1).ravel()
    _, first = np.unique(in_turn, return_index=True)
    return in_turn[np.sort(first)][:pool]
