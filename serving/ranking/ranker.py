"""Making ranked lists: what may be drawn, candidates, one forward pass for all lists, blend, selection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_repo.assembly.assemble import Assembled
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from serving.api.errors import located
from serving.api.requests import RecommendQuery, SlateQuery
from serving.api.responses import Considered, RankedItem, RankedSlate, ShortList
from serving.inference.models import ServedModel
from serving.inference.scoring import Predictions, predict, where_applicable
from serving.ranking.blending import CONTEXT_WEIGHT, blend, comparable
from serving.ranking.exploration import draw
from serving.ranking.selection import Constraints, select
from serving.retrieval.eligibility import eligible_rows
from serving.retrieval.facets import ItemFacets
from serving.retrieval.index import CatalogueIndex
from serving.retrieval.shortage import shortage
from serving.retrieval.sources import candidates
from serving.timing import Stopwatch

__all__ = ["Ranked", "Ranker"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """The lists in the order of the request, and the inputs that their candidates were scored with."""

    slates: tuple[RankedSlate, ...]
    assembled: Assembled
    missing_pins: tuple[str, ...]
    """Items to be pinned that are not in the catalogue."""
    short_lists: tuple[ShortList, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidates:
    """The candidates of all lists, each once, and what is predicted of them."""

    rows_B: NDArray[np.intp]
    answered_BT: NDArray[np.float32]
    scaled_BT: NDArray[np.float64]
    context_B: NDArray[np.float64]
    x_BF: NDArray[np.float32]
    taken_B: NDArray[np.bool_]
    """In one of the lists that are made already."""


class Ranker:
    """Makes the lists of a request from a table and its facets; each list draws at most `pool` candidates.

    The recommendation's id seeds the draw of an explored list: a retry on another server draws the same from the same scores.
    """

    def __init__(self, table: ItemTable, facets: ItemFacets, index: CatalogueIndex, *, pool: int) -> None:
        self._table = table
        self._facets = facets
        self._index = index
        self._pool = pool

    def rank(
        self,
        query: RecommendQuery,
        row: UserRow,
        *,
        weights: Sequence[NDArray[np.float64]],
        context_D: NDArray[np.float32] | None,
        model: ServedModel | None,
        now: float,
        watch: Stopwatch,
    ) -> Ranked:
        """The lists, none of which repeats an item of another; `weights` has for each list a weight for each task, (T,).

        Raises:
            InvalidRequest: a type, field or task that there is not, or an item that two lists pin.
        """
        watch.lap("queue")
        pins = self._pinned(query.slates)
        drawn = self._draw(query, row, pins, context_D=context_D, now=now)
        rows_B, place = np.unique(np.concatenate(drawn), return_inverse=True)
        watch.lap("retrieve")
        predicted = predict(row, self._table, rows_B, now, model, watch)
        found = _Candidates(
            rows_B=rows_B,
            answered_BT=where_applicable(predicted.values_BT, self._table, rows_B),
            scaled_BT=self._comparable(predicted, model),
            context_B=self._nearness(rows_B, context_D),
            x_BF=predicted.assembled.x_BF,
            taken_B=np.zeros(len(rows_B), dtype=bool),
        )
        each = np.split(place, np.cumsum([len(rows_C) for rows_C in drawn])[:-1])
        slates = tuple(
            self._fill(slate, weights_T, places, at_C, found, f"{query.recommendation_id}:{slate.name}")
            for slate, weights_T, places, at_C in zip(query.slates, weights, pins, each, strict=True)
        )
        watch.lap("rank")
        wanted = [pin.item_id for slate in query.slates for pin in slate.rules.pins]
        missing = tuple(item_id for item_id in wanted if self._row(item_id) < 0)
        short = tuple(
            shortage(self._table, self._facets, slate, row, exclude=query.exclude_item_ids, returned=len(ranked.items), now=now)
            for slate, ranked in zip(query.slates, slates, strict=True)
            if len(ranked.items) < slate.count
        )
        return Ranked(slates=slates, assembled=predicted.assembled, missing_pins=missing, short_lists=short)

    def _pinned(self, slates: Sequence[SlateQuery]) -> list[dict[int, int]]:
        """For each list the row by place of what it pins, as far as the catalogue has it."""
        return [{pin.position: row for pin in slate.rules.pins if (row := self._row(pin.item_id)) >= 0} for slate in slates]

    def _row(self, item_id: str) -> int:
        row = self._table.index.get(item_id, -1)
        return row if row >= 0 and self._table.live[row] else -1

    def _draw(
        self,
        query: RecommendQuery,
        row: UserRow,
        pins: Sequence[Mapping[int, int]],
        *,
        context_D: NDArray[np.float32] | None,
        now: float,
    ) -> list[NDArray[np.intp]]:
        """The candidates' rows of each list, (C,): what is pinned comes last, and in no other list."""
        reserved = [row for places in pins for row in places.values()]
        drawn: list[NDArray[np.intp]] = []
        pool = self._pool
        for slate, places in zip(query.slates, pins, strict=True):
            rows_M = eligible_rows(self._table, self._facets, slate, row, exclude=query.exclude_item_ids, now=now)
            if reserved:
                rows_M = np.setdiff1d(rows_M, reserved, assume_unique=True)
            rows_C = candidates(self._table, row, rows_M, index=self._index, context_D=context_D, now=now, pool=pool)
            drawn.append(np.append(rows_C, np.array(list(places.values()), dtype=np.intp)))
            pool += slate.count  # the lists before may take as many of this one's candidates
        return drawn

    def _fill(
        self,
        slate: SlateQuery,
        weights_T: NDArray[np.float64],
        places: Mapping[int, int],
        at_C: NDArray[np.intp],
        found: _Candidates,
        seed: str,
    ) -> RankedSlate:
        rows_C, keys_C = found.rows_B[at_C], self._facets.keys(found.rows_B[at_C])
        scaled_CT = np.where(np.isnan(found.answered_BT[at_C]), np.nan, found.scaled_BT[at_C])
        added_C = found.context_B[at_C].copy()
        for at, boost in enumerate(slate.rules.boosts):
            with located(f"{slate.path}.rules.boosts[{at}].condition"):
                added_C += boost.score_delta * self._facets.holds(boost.condition, rows_C)
        scores_C = blend(scaled_CT, weights_T) + added_C
        free = len(at_C) - len(places)  # what is pinned comes last
        closed_C, drawn = found.taken_B[at_C], None
        order_C = scores_C
        if slate.exploration.temperature:
            closed_C = closed_C | (np.arange(len(at_C)) >= free)
            rng = np.random.default_rng(int.from_bytes(seed.encode()))
            drawn = draw(scores_C, keys_C, closed_C, slate.count - len(places), slate.exploration, rng)
            order_C, closed_C = drawn.as_scores(len(at_C))
        constraints = Constraints(
            diversity=slate.diversity,
            vectors_CD=self._table.vectors[rows_C] if slate.diversity else None,
            caps=self._caps(slate, rows_C),
            pins={position: free + number for number, position in enumerate(places)},
            closed_C=closed_C,
        )
        chosen = select(order_C, keys_C, slate.count, constraints)
        found.taken_B[at_C[chosen]] = True
        propensities = {} if drawn is None else dict(zip(drawn.drawn_K.tolist(), drawn.propensity_K.tolist(), strict=True))
        items: list[RankedItem] = []
        for at in chosen.tolist():
            item = self._table.content[rows_C[at]]
            if item is None:  # deleted while this was ranked
                continue
            items.append(
                RankedItem(
                    item_id=item.item_id,
                    type=item.type,
                    title=item.title,
                    rank_score=float(scores_C[at]),
                    values_T=found.answered_BT[at_C[at]],
                    x_F=found.x_BF[at_C[at]],
                    pinned=at >= free,
                    propensity=propensities.get(at),
                )
            )
        considered = None
        if drawn is not None:
            among_A = drawn.among_A
            considered = Considered(
                item_ids=[self._table.ids[row] for row in rows_C[among_A]],
                scaled_AT=scaled_CT[among_A],
                added_A=added_C[among_A],
            )
        return RankedSlate(name=slate.name, items=tuple(items), considered=considered)

    def _caps(self, slate: SlateQuery, rows_C: NDArray[np.intp]) -> list[tuple[NDArray[np.int32], int]]:
        """For each cap the candidates' codes of its field, and how often one may occur."""
        found = []
        for at, cap in enumerate(slate.rules.caps):
            with located(f"{slate.path}.rules.caps[{at}]"):
                found.append((self._facets.codes(cap.field, rows_C), cap.at_most))
        return found

    def _nearness(self, rows_B: NDArray[np.intp], context_D: NDArray[np.float32] | None) -> NDArray[np.float64]:
        """What the request's words add to each rank score."""
        if context_D is None:
            return np.zeros(len(rows_B))
        return CONTEXT_WEIGHT * (self._table.vectors[rows_B] @ context_D).astype(np.float64)

    def _comparable(self, predicted: Predictions, model: ServedModel | None) -> NDArray[np.float64]:
        tasks = self._table.vocabulary.tasks
        if model is None:  # nothing has measured the labels' spread yet
            return comparable(predicted.values_BT, tasks, self._table.priors(), np.ones(len(tasks)))
        return comparable(predicted.values_BT, tasks, model.mean_T, model.deviation_T)
