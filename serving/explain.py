"""Explanations of predictions: contributions by reason and by input, and the effect of past items.

Contributions come from integrated gradients (training/attribution.py). The effect of a past item is measured by predicting again
without it in the user's history: that covers its part in every feature, though not in the long-run counters.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feature_repo.assembly.assemble import assemble
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from feature_repo.tasks import Kind, Task
from feature_repo.vocabulary import TYPE_BITS, Vocabulary
from serving.api.degradations import no_model
from serving.api.errors import InvalidRequest, shown
from serving.api.requests import ExplainQuery
from serving.api.responses import Info
from serving.api.validation import Limits
from serving.inference.models import ServedModel
from serving.inference.scoring import candidates_batch, predict, where_applicable
from serving.timing import Stopwatch
from serving.users import UserReader
from training.attribution import Attribution, attribute

__all__ = [
    "Contribution",
    "Explained",
    "Explainer",
    "PastItem",
    "Reason",
    "TaskExplained",
    "amount",
    "largest",
    "past_words",
    "reasons_of",
]

_WORDS = {
    "item_record": "what others have done with this item",
    "user_habit": "what this user usually does, whatever the item",
    "expected": "the item's usual result and this user's habit taken together",
    "session": "what the user has done in the last minutes and days",
    "text": "how its text matches what the user has liked",
    "audience": "what those think of it who agree with this user on other items",
    "category": "how its categories match what the user has liked",
    "popularity": "how popular it is and whether this user goes by that",
    "type": "what type of item it is",
    "newness": "how new it is and whether this user goes by that",
}
"""Each reason by its name; a feature belongs to one."""

_REASON_OF = {
    "item_mean": "item_record",
    "item_trend": "item_record",
    "item_count_log": "item_record",
    "mean_slope": "item_record",
    "item_known": "item_record",
    "item_silence_log": "item_record",
    "user_mean": "user_habit",
    "user_count_log": "user_habit",
    "user_bias": "user_habit",
    "user_tenure_log": "user_habit",
    "user_impressions_log": "user_habit",
    "user_known": "user_habit",
    "expected": "expected",
    "user_session": "session",
    "user_last": "session",
    "user_last3": "session",
    "user_silence_log": "session",
    "user_session_log": "session",
    "user_day_log": "session",
    "text_affinity": "text",
    "text_nearest": "text",
    "text_mean": "text",
    "audience_affinity": "audience",
    "category_affinity": "category",
    "category_overlap": "category",
    "popularity_affinity": "popularity",
    "popularity_slope": "popularity",
    "item_impressions_log": "popularity",
    "item_impressions_day_log": "popularity",
    "age_affinity": "newness",
    "age_slope": "newness",
    "item_age_log": "newness",
    **{f"item_type_{bit}": "type" for bit in range(TYPE_BITS)},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Contributions of one kind together, in the unit of the prediction."""

    name: str
    summary: str
    contribution: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """Of one input of the model."""

    name: str
    value: float
    contribution: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PastItem:
    """An item that the user acted on, and how much higher the prediction is with it than without."""

    item_id: str
    title: str
    acted_at: float
    contribution: float
    summary: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskExplained:
    """Why one task's prediction is what it is."""

    task: str
    prediction: float
    baseline: float
    reasons: tuple[Reason, ...]
    features: tuple[Contribution, ...]
    past_items: tuple[PastItem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """The tasks that are about the item, in order."""

    tasks: tuple[TaskExplained, ...]
    info: Info


def reasons_of(vocabulary: Vocabulary, task: Task, features_F: NDArray[np.floating], text: float) -> tuple[Reason, ...]:
    """Sums of contributions by reason, the largest first; `text` is that of the item's text and the history's."""
    sums = dict.fromkeys(_WORDS, 0.0)
    for name, contribution in zip(vocabulary.features, features_F.tolist(), strict=True):
        sums[_REASON_OF[name.rpartition(":")[2]]] += contribution
    sums["text"] += text
    ranked = sorted(sums.items(), key=lambda pair: -abs(pair[1]))
    return tuple(
        Reason(name=name, summary=f"{_WORDS[name]} {_moves(contribution, task.kind)}", contribution=contribution)
        for name, contribution in ranked
    )


def largest(
    names: Sequence[str], x_F: NDArray[np.floating], features_F: NDArray[np.floating], most: int
) -> tuple[Contribution, ...]:
    """The inputs that contributed most, either way."""
    top = np.argsort(-np.abs(features_F), kind="stable")[:most].tolist()
    return tuple(Contribution(name=names[at], value=float(x_F[at]), contribution=float(features_F[at])) for at in top)


def past_words(title: str, kind: Kind, contribution: float) -> str:
    """What having acted on an item does to the prediction."""
    return f"having acted on {title!r} {_moves(contribution, kind)}"


def amount(value: float, kind: Kind, *, difference: bool = False) -> str:
    """A prediction, or the difference of two, with its unit.

    >>> amount(0.1234, "binary"), amount(0.02, "binary", difference=True), amount(75.0, "duration")
    ('12.34 %', '2.00 points', '75.0 s')
    """
    if kind == "binary":
        return f"{100.0 * value:.2f} {'points' if difference else '%'}"
    return f"{value:.1f} s" if kind == "duration" else f"{value:.2f}"


def _moves(contribution: float, kind: Kind) -> str:
    size = amount(abs(contribution), kind, difference=True)
    if not size.strip("0. points"):
        return "makes no difference"
    return f"{'raises' if contribution > 0.0 else 'lowers'} it by {size}"


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
            InvalidRequest: an item that is not in the catalogue, or a task that is not declared.
        """
        columns = self._limits.columns(query.tasks)
        item_row = self._table.index.get(query.item_id, -1)
        if item_row < 0 or not self._table.live[item_row]:
            raise InvalidRequest("item_id", f"{shown(query.item_id) or '(none)'} is not in the catalogue; publish it first")
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
                summary=past_words(self._title(row.recent_ids[at]), task.kind, pull),
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
