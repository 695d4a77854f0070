"""Sources of candidates for a user's list: similar to what was liked or asked for, trending, and new."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from serving.retrieval.index import CatalogueIndex, newest, trending

__all__ = ["candidates"]

_LIKED = 10  # engagements that the neighbours are sought of
_MOST_SPARE = 8.0  # neighbours looked up for each that is wanted, however few of them are eligible


def candidates(
    table: ItemTable,
    row: UserRow,
    rows_M: NDArray[np.intp],
    *,
    index: CatalogueIndex,
    context_D: NDArray[np.float32] | None,
    now: float,
    pool: int,
) -> NDArray[np.intp]:
    """At most `pool` of the eligible rows `rows_M`, each once: the sources take turns, each with its best first.

    Up to `index.exact` eligible items every source looks at all of them: neighbours are one product of the liked items' vectors
    (or the context's) with all. Beyond it the sources look up, and what they find too few of is filled up with other eligible
    rows. Neighbours in the space that the model learned, and what the users of liked items liked, added nothing to these sources:
    benchmarks/quality/retrieval.py.
    """
    if len(rows_M) <= pool:
        return rows_M
    wanted = [table.vectors[rows] for rows in (_liked(table, row),) if len(rows)]
    if context_D is not None:
        wanted.insert(0, context_D[None])
    standing = index.standing() if len(rows_M) > index.exact else None
    if standing is None:
        near = [_nearness(table, rows_M, queries_QD) for queries_QD in wanted]
        values: list[NDArray[np.floating]] = [*near, trending(table, rows_M, now), newest(table, rows_M, now)]
        taken: NDArray[np.intp] = rows_M[_take_turns([_best(value_M, pool) for value_M in values], pool)]
        return taken
    eligible = np.zeros(len(table), dtype=bool)
    eligible[rows_M] = True
    count = round(pool * min(table.live.sum() / len(rows_M), _MOST_SPARE))
    looked_up = (*(index.nearest(queries_QD, count) for queries_QD in wanted), *standing)
    found = _take_turns([rows[eligible[rows]][:pool] for rows in looked_up], pool)
    eligible[found] = False
    return np.append(found, rows_M[eligible[rows_M]][: pool - len(found)])


def _liked(table: ItemTable, row: UserRow) -> NDArray[np.intp]:
    """Rows of the latest engagements that were no worse than usual, with text; those without any label count as liked."""
    better_R = np.nansum(row.recent_R[:, 1:] - table.priors(), axis=1) >= 0.0
    rows_R = table.rows(row.recent_ids)[better_R]
    rows_R = rows_R[rows_R >= 0]
    liked_P: NDArray[np.intp] = rows_R[table.vectors[rows_R].any(axis=1)][:_LIKED]
    return liked_P


def _nearness(table: ItemTable, rows_M: NDArray[np.intp], queries_QD: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each row with the query that is nearest to it."""
    if 2 * len(rows_M) < len(table):
        near_M: NDArray[np.float32] = (table.vectors.take(rows_M, axis=0) @ queries_QD.T).max(axis=1)
        return near_M
    # Where most are eligible all are compared: taking rows out copies them, which costs more than the product.
    near_M = (table.vectors[: len(table)] @ queries_QD.T).max(axis=1)[rows_M]
    return near_M


def _best(score_M: NDArray[np.floating], pool: int) -> NDArray[np.intp]:
    """Positions of the `pool` highest scores, the highest first."""
    part = np.argpartition(-score_M, pool - 1)[:pool]
    return part[np.argsort(-score_M[part], kind="stable")]


def _take_turns(ranked: Sequence[NDArray[np.intp]], pool: int) -> NDArray[np.intp]:
    """The first of each list, the second of each, ...: everything once, until `pool` are taken."""
    together = np.concatenate(ranked)
    turns = np.concatenate([np.arange(len(one)) for one in ranked])
    in_turn = together[np.argsort(turns, kind="stable")]
    _, first = np.unique(in_turn, return_index=True)
    return in_turn[np.sort(first)][:pool]
