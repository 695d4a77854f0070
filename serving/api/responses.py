"""Responses of the data plane, free of the wire: scores, ranked lists, degradations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Considered",
    "Degradation",
    "DegradationReason",
    "Info",
    "RankedItem",
    "RankedSlate",
    "Recommendation",
    "ResponseTimings",
    "Scored",
    "ShortList",
]


class DegradationReason(Enum):
    """Why an answer is degraded; the names are those of protos/headwater/v1/recommender.proto."""

    UNKNOWN_USER = auto()
    UNKNOWN_ITEM = auto()
    STORE_UNAVAILABLE = auto()
    NO_MODEL = auto()
    CONTEXT_SKIPPED = auto()
    EMPTY_CATALOGUE = auto()
    STALE_FEATURES = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Degradation:
    """One reason, and the same as text with what to do."""

    reason: DegradationReason
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortList:
    """Where items went that a list lacks; each item of the catalogue counts once, at the first step that left it out."""

    slate: str
    wanted: int
    returned: int
    catalogue_items: int
    of_other_types: int
    filtered: int
    excluded: int
    acted_on: int
    detail: str
    """The same as text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Info:
    """What every answer says of itself."""

    recommendation_id: str
    model_version: str
    """Empty where no model scored."""
    features_as_of: float | None
    """Event time of the newest event in the user's row, Unix seconds; None where no row was used."""
    degradations: tuple[Degradation, ...]
    short_lists: tuple[ShortList, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ResponseTimings:
    """What the process observes of one answer."""

    stages: Mapping[str, float]
    """Seconds by stage."""
    event_to_served: float | None = None
    """Age in seconds of the user's newest event, where this answer is the first to count it; see serving/timing.py."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """Predictions for the items asked for, in their order. B items, T of the tasks asked for."""

    item_ids: Sequence[str]
    tasks: tuple[str, ...]
    values_BT: NDArray[np.float32]
    """In the tasks' own units: probability, seconds, or the value's unit. NaN where the task is not about the item's type."""
    unknown_B: NDArray[np.bool_]
    info: Info
    report: ResponseTimings


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedItem:
    """One place of a list, with the features that it was scored with."""

    item_id: str
    type: str
    title: str
    rank_score: float
    values_T: NDArray[np.float32]
    """As `Scored.values_BT`."""
    x_F: NDArray[np.float32]
    pinned: bool = False
    """A pin of the request put it there."""
    propensity: float | None = None
    """The chance that it had of getting its place, where the list was drawn at random."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Considered:
    """What an explored list was drawn from: A candidates, the best first."""

    item_ids: Sequence[str]
    scaled_AT: NDArray[np.float64]
    """Predictions as they are blended, 0 to 1; NaN where the task is not about the item."""
    added_A: NDArray[np.float64]
    """What boosts and the words of the request add to the blend."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedSlate:
    """One list, in order."""

    name: str
    items: tuple[RankedItem, ...]
    considered: Considered | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """The ranked lists of one request, with all that their impressions need to be learned from."""

    user_id: str
    at: float
    """When it was scored, Unix seconds."""
    tasks: tuple[str, ...]
    """All that are declared."""
    columns: Sequence[int]
    """Which of them the request asked to be shown."""
    slates: tuple[RankedSlate, ...]
    history_item_ids: Sequence[str]
    history_values_NT1: NDArray[np.float32]
    info: Info
    report: ResponseTimings

    @property
    def size(self) -> int:
        """Items in all lists."""
        return sum(len(slate.items) for slate in self.slates)
