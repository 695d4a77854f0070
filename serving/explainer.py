"""Owns answering why an item gets its predictions for a user: free of transport, on the same rows and model as scoring.

What moved a prediction comes from integrated gradients (training/attribution.py). What a past item did is told by leaving it
out of the user's history and predicting again: that covers its part in every feature, though not in the long-run counters.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from feature_repo.assembly.assemble import assemble
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from serving.api.degradations import no_model
from serving.api.errors import InvalidRequest
from serving.api.responses import ExplainQuery, Info
from serving.api.validation import Limits
from serving.explanation import Contribution, Explained, PastItem, Reason, TaskExplained, largest, past_words, reasons_of
from serving.inference.models import ServedModel
from serving.inference.scoring import candidates_batch, predict, where_applicable
from serving.stages import Stopwatch
from serving.users import UserReader
from training.attribution import Attribution, attribute

__all__ = ["Explainer"]

_FEATURES = 10
_PAST_ITEMS = 5


class Explainer:
    """Explains one item for one user at a time, in the time of some seventy requests to score; no part of making lists."""

    def __init__(
        self,
        *,
        table: ItemTable,
        users: UserReader,
        model: Callable[[], ServedModel | None],
        limits: Limits,
        threads: ThreadPoolExecutor,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._users = users
        self._model = model
        self._limits = limits
        self._threads = threads
        self._clock = clock

    async def explain(self, query: ExplainQuery) -> Explained:
        """Why the tasks' predictions are what they are; without a model only what past items do is told.

        Raises:
            InvalidRequest: no user, an item that is not in the catalogue, or a task that is not declared.
        """
        self._limits.check_user(query.user_id)
        columns = self._limits.columns(query.tasks)
        item_row = self._table.index.get(query.item_id, -1)
        if item_row < 0 or not self._table.live[item_row]:
            raise InvalidRequest(f"item_id: {query.item_id or '(none)'} is not in the catalogue, so there is nothing to explain")
        now, model = self._clock(), self._model()
        user = await self._users.read(query.user_id, now, query.seconds)
        loop = asyncio.get_running_loop()
        tasks = await loop.run_in_executor(self._threads, self._explain, user.row, item_row, columns, model, now)
        degradations = (user.degradation, no_model() if model is None else None)
        info = Info(
            recommendation_id=query.recommendation_id,
            model_version="" if model is None else model.version,
            features_as_of=user.as_of,
            degradations=tuple(one for one in degradations if one is not None),
        )
        return Explained(tasks=tasks, info=info)

    def _explain(
        self, row: UserRow, item_row: int, columns: list[int], model: ServedModel | None, now: float
    ) -> tuple[TaskExplained, ...]:
        table, rows_1 = self._table, np.array([item_row])
        values_T = self._predict(row, rows_1, model, now)
        without_RT = np.array([self._predict(_without(row, at), rows_1, model, now) for at in range(len(row.recent_ids))])
        found = None
        assembled = assemble(row, table, rows_1, now)
        if model is not None:
            found = attribute(model.recommender, candidates_batch(assembled, table, row.user_id))
        return tuple(
            self._task(row, column, values_T, without_RT, assembled.x_BF[0], found)
            for column in columns
            if not np.isnan(values_T[column])
        )

    def _task(
        self,
        row: UserRow,
        column: int,
        values_T: NDArray[np.float32],
        without_RT: NDArray[np.float32],
        x_F: NDArray[np.float32],
        found: Attribution | None,
    ) -> TaskExplained:
        vocabulary = self._table.vocabulary
        task = vocabulary.tasks[column]
        baseline = float(values_T[column])
        reasons: tuple[Reason, ...] = ()
        features: tuple[Contribution, ...] = ()
        if found is not None:
            features_F = found.features_TF[column].numpy()
            text = float(found.item_T[column] + found.history_TN[column].sum())
            baseline = float(found.baseline_T[column])
            reasons = reasons_of(vocabulary, task, features_F, text)
            features = largest(vocabulary.features, x_F, features_F, _FEATURES)
        pulls = [(float(values_T[column] - without_T[column]), at) for at, without_T in enumerate(without_RT)]
        past = [
            PastItem(
                item_id=row.recent_ids[at],
                title=self._title(row.recent_ids[at]),
                acted_at=float(row.recent_R[at, 0]),
                contribution=pull,
                words=past_words(self._title(row.recent_ids[at]), task.kind, pull),
            )
            for pull, at in sorted(pulls, key=lambda pair: -abs(pair[0]))[:_PAST_ITEMS]
        ]
        return TaskExplained(
            task=task.name,
            prediction=float(values_T[column]),
            baseline=baseline,
            reasons=reasons,
            features=features,
            past_items=tuple(past),
        )

    def _predict(self, row: UserRow, rows_1: NDArray[np.intp], model: ServedModel | None, now: float) -> NDArray[np.float32]:
        """One prediction for each task, (T,), NaN where it is not about the item."""
        values_BT = where_applicable(predict(row, self._table, rows_1, now, model, Stopwatch()).values_BT, self._table, rows_1)
        values_T: NDArray[np.float32] = values_BT[0]
        return values_T

    def _title(self, item_id: str) -> str:
        known = self._table.index.get(item_id, -1)
        item = self._table.content[known] if known >= 0 else None
        return item.title if item is not None and item.title else item_id


def _without(row: UserRow, at: int) -> UserRow:
    """The row of a user who has not acted on one of the recent items; counters as they are."""
    return replace(row, recent_ids=row.recent_ids[:at] + row.recent_ids[at + 1 :], recent_R=np.delete(row.recent_R, at, axis=0))
