"""Turning a log of explored lists into what estimators judge another ranking by."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deploy.evaluation.served import distinct
from feature_repo.tasks import Task
from feature_repo.vocabulary import Vocabulary
from headwater.v1.events_pb2 import Event
from serving.ranking.blending import blend
from training.metrics.off_policy import DrawnList

__all__ = ["Explored", "explored_lists"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Explored:
    """The lists that can be judged by, and how many cannot and why."""

    lists: list[DrawnList]
    passed_over: Counter[str] = field(default_factory=Counter)


def explored_lists(
    events: Iterable[Event], vocabulary: Vocabulary, task: Task, *, weights_T: NDArray[np.float64], now: float
) -> Explored:
    """Lists whose rewards are known, scored by the task weights that are to be judged.

    A place earns 1 where a binary task's event followed within the task's window (with `at_least`: with that value), and the
    sum of the events' values for other tasks. Expected rewards are the server's own predictions, which a binary task alone
    has in the unit of its reward. `now` is Unix seconds: lists whose windows are still open are passed over.
    """
    lists: dict[tuple[str, str], list[Event]] = {}
    actions: dict[tuple[str, str], list[Event]] = {}
    for event in distinct(events):
        if event.WhichOneof("body") == "impression":
            if event.impression.HasField("propensity"):
                lists.setdefault((event.recommendation_id, event.impression.slate), []).append(event)
        elif event.recommendation_id and _kind(event) == task.event:
            actions.setdefault((event.recommendation_id, event.item_id), []).append(event)
    found = Explored(lists=[])
    for shown in lists.values():
        shown.sort(key=lambda event: event.impression.position)
        if problem := _problem(shown, vocabulary, now - task.window_seconds):
            found.passed_over[problem] += 1
        else:
            found.lists.append(_drawn(shown, actions, vocabulary, task, weights_T))
    return found


def _problem(shown: list[Event], vocabulary: Vocabulary, settled: float) -> str | None:
    first = shown[0].impression
    positions = [event.impression.position for event in shown]
    if not first.HasField("considered") or len(set(positions)) < len(positions):
        return "impressions are missing"
    if first.served.fingerprint != vocabulary.fingerprint:
        return "served for other tasks"
    if not {event.item_id for event in shown} <= set(first.considered.item_ids):
        return "an item is not among those considered"
    if shown[0].occurred_at.ToNanoseconds() / 1e9 > settled:
        return "actions may still come"
    return None


def _drawn(
    shown: list[Event],
    actions: Mapping[tuple[str, str], list[Event]],
    vocabulary: Vocabulary,
    task: Task,
    weights_T: NDArray[np.float64],
) -> DrawnList:
    considered = shown[0].impression.considered
    place = {item_id: at for at, item_id in enumerate(considered.item_ids)}
    predicted_AT = np.array(considered.predictions, dtype=np.float64).reshape(len(place), len(vocabulary.tasks))
    expected_A = np.nan_to_num(predicted_AT[:, vocabulary.tasks.index(task)])
    return DrawnList(
        scores_A=blend(predicted_AT, weights_T) + np.array(considered.added),
        shown_K=np.array([place[event.item_id] for event in shown]),
        propensity_K=np.array([event.impression.propensity for event in shown]),
        reward_K=np.array([_reward(event, actions.get((event.recommendation_id, event.item_id), []), task) for event in shown]),
        expected_A=expected_A if task.kind == "binary" else None,
    )


def _reward(impression: Event, actions: list[Event], task: Task) -> float:
    shown_at = impression.occurred_at.ToNanoseconds() / 1e9
    within = [event for event in actions if 0.0 <= event.occurred_at.ToNanoseconds() / 1e9 - shown_at <= task.window_seconds]
    values = [_value(event) for event in within]
    if task.kind == "binary":
        return float(any(task.label(value) == 1.0 for value in values))
    return sum(value for value in values if value is not None)


def _kind(event: Event) -> str:
    body = event.WhichOneof("body")
    return event.action.name if body == "action" else str(body)


def _value(event: Event) -> float | None:
    body = event.WhichOneof("body")
    if body == "read":
        return event.read.seconds
    if body == "purchase":
        return event.purchase.amount
    return event.action.value if body == "action" and event.action.HasField("value") else None
