"""Items that a list may draw from: live, of the requested kind, and neither excluded nor acted on."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from feature_repo.items.table import ItemTable
from feature_repo.older_items import matching
from feature_repo.rows import UserRow
from serving.api.errors import InvalidRequest, located, shown
from serving.api.requests import Condition, SlateQuery
from serving.retrieval.facets import ItemFacets

__all__ = ["eligible_rows", "left_out", "of_types", "passing"]


def eligible_rows(
    table: ItemTable, facets: ItemFacets, slate: SlateQuery, row: UserRow, *, exclude: Iterable[str] = (), now: float
) -> NDArray[np.intp]:
    """Rows of the items that the request allows, in the table's order, (M,). Each condition is one pass over a column.

    Raises:
        InvalidRequest: a type or field that there is not.
    """
    size = min(len(table), facets.capacity)
    allowed_M = table.live[:size].copy()
    if allowed_M.any():
        _check_types(facets, slate)
    allowed_M &= of_types(facets, slate, size) & passing(table, facets, slate, size, now=now)
    rows = np.append(table.rows(list(exclude)), left_out(slate, row, table, now))
    allowed_M[rows[(rows >= 0) & (rows < size)]] = False
    return np.flatnonzero(allowed_M)


def of_types(facets: ItemFacets, slate: SlateQuery, size: int) -> NDArray[np.bool_]:
    """Which of the first `size` items are of the wanted types, (M,)."""
    if not slate.item_types:
        return np.ones(size, dtype=bool)
    return facets.holds(Condition(field="type", any_of=tuple(slate.item_types)), slice(0, size))


def passing(table: ItemTable, facets: ItemFacets, slate: SlateQuery, size: int, *, now: float) -> NDArray[np.bool_]:
    """Which of the first `size` items pass the filter, (M,); raises InvalidRequest for a field that there is not."""
    passing_M = np.ones(size, dtype=bool)
    for at, condition in enumerate(slate.filter.conditions):
        with located(f"{slate.path}.filter.conditions[{at}]"):
            passing_M &= facets.holds(condition, slice(0, size))
    if math.isfinite(slate.filter.published_within_seconds):
        published_M = table.published_at[:size]
        passing_M &= (published_M != 0.0) & (published_M >= now - slate.filter.published_within_seconds) & (published_M <= now)
    return passing_M


def _check_types(facets: ItemFacets, slate: SlateQuery) -> None:
    if unknown := sorted(name for name in slate.item_types if not facets.has("type", name)):
        raise InvalidRequest(
            f"{slate.path}.item_types",
            f"no item of the catalogue is of type {shown(unknown[0])}; there are: {facets.some_values('type')}",
        )


def left_out(slate: SlateQuery, row: UserRow, table: ItemTable, now: float) -> NDArray[np.intp]:
    """Rows of items that the user has interacted with and that the list leaves out, -1 for those never heard of."""
    columns = {task.name: column for column, task in enumerate(table.vocabulary.tasks)}
    left_out_R = np.zeros(len(row.recent_ids), dtype=bool)
    older: list[NDArray[np.uint32]] = []
    for interaction in slate.leave_out:
        since, task = now - interaction.within_seconds, columns[interaction.task] if interaction.task else None
        matches_R = row.recent_R[:, 0] >= since
        if task is not None:
            matches_R &= ~np.isnan(row.recent_R[:, 1 + task])
        left_out_R |= matches_R
        older.append(matching(row.older_N, since=since, task=task))
    recent = table.rows([row.recent_ids[at] for at in np.flatnonzero(left_out_R)])
    return np.append(recent, table.rows_of_hashes(np.concatenate(older))) if older else recent
