"""Owns what an explanation is, and the words in which contributions are told to a person."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_repo.tasks import Kind, Task
from feature_repo.vocabulary import TYPE_BITS, Vocabulary
from serving.api.responses import Info

__all__ = ["Contribution", "Explained", "PastItem", "Reason", "TaskExplained", "amount", "largest", "past_words", "reasons_of"]

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
    words: str
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
    words: str


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
        Reason(name=name, words=f"{_WORDS[name]} {_moves(contribution, task.kind)}", contribution=contribution)
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
