"""Explanation of a list that holds fewer items than were asked for: where the others of the catalogue were lost."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from serving.api.errors import shown
from serving.api.requests import SlateQuery
from serving.api.responses import ShortList
from serving.retrieval.eligibility import left_out, of_types, passing
from serving.retrieval.facets import ItemFacets

__all__ = ["shortage"]


def shortage(
    table: ItemTable,
    facets: ItemFacets,
    slate: SlateQuery,
    row: UserRow,
    *,
    exclude: Iterable[str] = (),
    returned: int,
    now: float,
) -> ShortList:
    """Counts the items that each step left out, in the order of the steps; for a list that was made and is short."""
    size = min(len(table), facets.capacity)
    left_M = table.live[:size].copy()
    catalogue = int(left_M.sum())
    lost = []
    for keeps_M in (
        of_types(facets, slate, size),
        passing(table, facets, slate, size, now=now),
        _without(table.rows(list(exclude)), size),
        _without(left_out(slate, row, table, now), size),
    ):
        lost.append(int((left_M & ~keeps_M).sum()))
        left_M &= keeps_M
    other_types, filtered, excluded, seen = lost
    elsewhere = max(int(left_M.sum()) - returned, 0)
    steps = {
        "of other types": other_types,
        "did not pass the filter" + "".join(_unknown(facets, slate)): filtered,
        "were excluded by the request": excluded,
        "were left out because the user has acted on them": seen,
        "are in another list of the page, or above a cap": elsewhere,
    }
    told = ", ".join(f"{count:,} {where}" for where, count in steps.items() if count) or "there are no more"
    return ShortList(
        slate=slate.name,
        wanted=slate.count,
        returned=returned,
        catalogue_items=catalogue,
        of_other_types=other_types,
        filtered=filtered,
        excluded=excluded,
        acted_on=seen,
        detail=f"{returned:,} of {slate.count:,} items: of {catalogue:,} in the catalogue, {told}",
    )


def _without(rows: NDArray[np.intp], size: int) -> NDArray[np.bool_]:
    kept_M = np.ones(size, dtype=bool)
    kept_M[rows[(rows >= 0) & (rows < size)]] = False
    return kept_M


def _unknown(facets: ItemFacets, slate: SlateQuery) -> Iterator[str]:
    """Conditions that name values which no item has."""
    for condition in slate.filter.conditions:
        if condition.any_of and not any(facets.has(condition.field, value) for value in condition.any_of):
            present = facets.some_values(condition.field)
            instead = f"; there are: {present}" if present else ", or any other"
            yield f" (no item has {condition.field} {shown(condition.any_of[0])}{instead})"
