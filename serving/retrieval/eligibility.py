"""Owns which items of the catalogue a list may draw from: live, of the kind asked for, and not excluded or acted on."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from serving.api.errors import InvalidRequest
from serving.api.requests import Condition, SlateQuery
from serving.retrieval.facets import ItemFacets

__all__ = ["eligible_rows"]


def eligible_rows(
    table: ItemTable, facets: ItemFacets, slate: SlateQuery, row: UserRow, *, exclude: Iterable[str] = (), now: float
) -> NDArray[np.intp]:
    """Rows of the items that the request allows, in the table's order, (M,). Each condition is one pass over a column.

    Raises:
        InvalidRequest: a type, field or task that there is not.
    """
    size = min(len(table), facets.capacity)
    allowed_M = table.live[:size].copy()
    if allowed_M.any():
        _check_types(facets, slate.item_types)
    everything = slice(0, size)
    if slate.item_types:
        allowed_M &= facets.holds(Condition(field="type", any_of=tuple(slate.item_types)), everything)
    for condition in slate.filter.conditions:
        allowed_M &= facets.holds(condition, everything)
    if slate.filter.published_within_seconds:
        published_M = table.published_at[:size]
        allowed_M &= (published_M != 0.0) & (published_M >= now - slate.filter.published_within_seconds) & (published_M <= now)
    rows = table.rows([*exclude, *_acted_on(slate, row, table, now)])
    allowed_M[rows[(rows >= 0) & (rows < size)]] = False
    return np.flatnonzero(allowed_M)


def _check_types(facets: ItemFacets, item_types: frozenset[str]) -> None:
    known = facets.values("type")
    if unknown := sorted(item_types.difference(known)):
        raise InvalidRequest(
            f"item_types: no item of the catalogue is of type {', '.join(unknown)}; there are: {', '.join(known)}"
        )


def _acted_on(slate: SlateQuery, row: UserRow, table: ItemTable, now: float) -> list[str]:
    """Items that the user has acted on and that the list leaves out."""
    if slate.include_seen:
        return []
    if not slate.filter.leave_out:
        return row.recent_ids
    names = [task.name for task in table.vocabulary.tasks]
    left_out_R = np.zeros(len(row.recent_ids), dtype=bool)
    for acted in slate.filter.leave_out:
        if acted.task and acted.task not in names:
            raise InvalidRequest(f"filter.leave_out: {acted.task} is not declared; there are: {', '.join(names)}")
        matches_R = np.ones(len(left_out_R), dtype=bool)
        if acted.task:
            matches_R &= ~np.isnan(row.recent_R[:, 1 + names.index(acted.task)])
        if acted.within_seconds:
            matches_R &= row.recent_R[:, 0] >= now - acted.within_seconds
        left_out_R |= matches_R
    return [row.recent_ids[at] for at in np.flatnonzero(left_out_R)]
