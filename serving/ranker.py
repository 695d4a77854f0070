"""Owns making one ranked list: what may be drawn, candidates, predictions, blend, order."""

import numpy as np
from numpy.typing import NDArray

from feature_repo.assemble import Assembled
from feature_repo.rows import UserRow
from feature_repo.table import ItemTable
from serving.answers import RankedItem, RecommendQuery
from serving.models import ServedModel
from serving.ranking import CONTEXT_WEIGHT, blend, comparable, order
from serving.retrieval import candidates, eligible_rows
from serving.scoring import predict, where_applicable
from serving.stages import Stopwatch

__all__ = ["rank"]


def rank(
    query: RecommendQuery,
    row: UserRow,
    table: ItemTable,
    *,
    weights_T: NDArray[np.float64],
    context_D: NDArray[np.float32] | None,
    model: ServedModel | None,
    pool: int,
    now: float,
    watch: Stopwatch,
) -> tuple[tuple[RankedItem, ...], Assembled]:
    """The list, best first, and the inputs that its candidates were scored with.

    Raises:
        InvalidRequest: an item type that nothing in the catalogue is of.
    """
    watch.lap("queue")
    exclude = [*query.exclude_item_ids, *(() if query.include_seen else row.recent_ids)]
    rows_M = eligible_rows(table, item_types=query.item_types, exclude=exclude)
    rows_B = candidates(table, row, rows_M, context_D=context_D, now=now, pool=pool)
    watch.lap("retrieve")
    predicted = predict(row, table, rows_B, now, model, watch)
    values_BT = where_applicable(predicted.values_BT, table, rows_B)
    rank_B = _rank_scores(predicted.values_BT, ~np.isnan(values_BT), weights_T, table, model)
    if context_D is not None:
        rank_B += CONTEXT_WEIGHT * (table.vectors[rows_B] @ context_D)
    ids = [table.ids[number] for number in rows_B]
    ranked: list[RankedItem] = []
    for at in order(rank_B, ids):
        item = table.content[rows_B[at]]
        if item is None:  # deleted while this was ranked
            continue
        ranked.append(
            RankedItem(
                item_id=ids[at],
                type=item.type,
                title=item.title,
                rank_score=float(rank_B[at]),
                values_T=values_BT[at],
                x_F=predicted.assembled.x_BF[at],
            )
        )
        if len(ranked) == query.count:
            break
    watch.lap("rank")
    return tuple(ranked), predicted.assembled


def _rank_scores(
    values_BT: NDArray[np.float32],
    applies_BT: NDArray[np.bool_],
    weights_T: NDArray[np.float64],
    table: ItemTable,
    model: ServedModel | None,
) -> NDArray[np.float64]:
    tasks = table.vocabulary.tasks
    if model is None:  # nothing has measured the labels' spread yet
        scaled_BT = comparable(values_BT, tasks, table.priors(), np.ones(len(tasks)))
    else:
        scaled_BT = comparable(values_BT, tasks, model.mean_T, model.deviation_T)
    return blend(scaled_BT, weights_T, applies_BT)
