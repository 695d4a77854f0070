"""Data plane: from a request to a response, free of transport, degrading rather than failing.

The user's row is read fresh, the items come from the table that the mirror keeps, and one forward pass scores all candidates.
Only what the caller must change raises.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from feature_repo.vocabulary import HISTORY
from serving.api.degradations import context_skipped, empty_catalogue, missing_pins, no_model, unknown_items
from serving.api.requests import RecommendQuery, ScoreQuery
from serving.api.responses import Degradation, Info, Recommendation, ResponseTimings, Scored
from serving.api.validation import Limits
from serving.inference.context import ContextEncoder
from serving.inference.models import ServedModel
from serving.inference.queue import ScoringQueue
from serving.inference.scoring import predict, where_applicable
from serving.ranking.ranker import Ranker
from serving.timing import FreshnessTracker, Stopwatch
from serving.users import UserFeatures, UserReader

__all__ = ["Pipeline"]

_READ_SHARE = 0.5  # of the time left, that reading may take: the rest is for scoring


class Pipeline:
    """Answers questions; one for the process.

    `model()` gives the current model, which a response keeps to its end; `shown` is called with every list given out.
    """

    def __init__(
        self,
        *,
        table: ItemTable,
        ranker: Ranker,
        users: UserReader,
        contexts: ContextEncoder,
        model: Callable[[], ServedModel | None],
        shown: Callable[[Recommendation], None],
        limits: Limits,
        queue: ScoringQueue,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._ranker = ranker
        self._users = users
        self._contexts = contexts
        self._model = model
        self._shown = shown
        self._limits = limits
        self._queue = queue
        self._clock = clock
        self._freshness = FreshnessTracker()

    async def score(self, query: ScoreQuery) -> Scored:
        """Predictions for the items asked for, in their order; raises InvalidRequest."""
        columns = self._limits.columns(query.tasks)
        now, model, watch = self._clock(), self._model(), Stopwatch()
        rows_B = self._table.rows(query.item_ids)
        user = await self._users.read(query.user_id, now, query.seconds * _READ_SHARE)
        watch.lap("feature_read")
        work = partial(self._score, user.row, rows_B, now, model, watch)
        values_BT = await self._queue.run(work, candidates=len(rows_B))
        watch.lap("return")
        unknown_B = (rows_B < 0) | ~self._table.live[rows_B]
        found = [*self._found(user, model), unknown_items(query.item_ids, unknown_B)]
        return Scored(
            item_ids=query.item_ids,
            tasks=tuple(self._limits.names[column] for column in columns),
            values_BT=values_BT[:, columns],
            unknown_B=unknown_B,
            info=_info(query.recommendation_id, model, user, found),
            report=self._report(watch, query.user_id, user, now),
        )

    async def recommend(self, query: RecommendQuery) -> Recommendation:
        """Ranked lists, each at most `count` long: shorter where the catalogue has no more that fit. Raises as `score` does."""
        weights = [self._limits.weights(slate.task_weights, f"{slate.path}.task_weights") for slate in query.slates]
        columns = self._limits.columns(query.tasks)
        now, model, watch = self._clock(), self._model(), Stopwatch()
        seconds = query.seconds * _READ_SHARE
        user, context_D = await asyncio.gather(
            self._users.read(query.user_id, now, seconds), self._encode(query.context_text, seconds)
        )
        watch.lap("feature_read")
        rank = partial(
            self._ranker.rank, query, user.row, weights=weights, context_D=context_D, model=model, now=now, watch=watch
        )
        ranked = await asyncio.get_running_loop().run_in_executor(self._queue, rank)
        watch.lap("return")
        found = [*self._found(user, model), missing_pins(ranked.missing_pins)]
        if query.context_text and context_D is None:
            found.append(context_skipped("context_text was not encoded in time: ranked without it; allow a longer deadline"))
        answer = Recommendation(
            user_id=query.user_id,
            at=now,
            tasks=self._limits.names,
            columns=columns,
            slates=ranked.slates,
            history_item_ids=user.row.recent_ids[:HISTORY],
            history_values_NT1=ranked.assembled.history_values_NT1,
            info=replace(_info(query.recommendation_id, model, user, found), short_lists=ranked.short_lists),
            report=self._report(watch, query.user_id, user, now),
        )
        if not query.preview:
            self._shown(answer)
        return answer

    def _score(
        self, row: UserRow, rows_B: NDArray[np.intp], now: float, model: ServedModel | None, watch: Stopwatch
    ) -> NDArray[np.float32]:
        watch.lap("queue")
        return where_applicable(predict(row, self._table, rows_B, now, model, watch).values_BT, self._table, rows_B)

    async def _encode(self, text: str, seconds: float) -> NDArray[np.float32] | None:
        return await self._contexts.encode(text, seconds) if text else None

    def _found(self, user: UserFeatures, model: ServedModel | None) -> list[Degradation | None]:
        return [
            user.degradation,
            None if self._table.live.any() else empty_catalogue(),
            no_model() if model is None else None,
        ]

    def _report(self, watch: Stopwatch, user_id: str, user: UserFeatures, now: float) -> ResponseTimings:
        return ResponseTimings(stages=watch.seconds, event_to_served=self._freshness.observe(user_id, user.as_of, now))


def _info(recommendation_id: str, model: ServedModel | None, user: UserFeatures, found: Sequence[Degradation | None]) -> Info:
    return Info(
        recommendation_id=recommendation_id,
        model_version="" if model is None else model.version,
        features_as_of=user.as_of,
        degradations=tuple(degradation for degradation in found if degradation is not None),
    )
