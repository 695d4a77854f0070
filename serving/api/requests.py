"""Requests of the data plane, free of the wire.

protos/headwater/v1/recommender.proto says what each part means; serving/api/validation.py has checked the message that it is of.
"""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = [
    "Boost",
    "Cap",
    "Condition",
    "ExplainQuery",
    "Exploration",
    "Filter",
    "Interaction",
    "Pin",
    "RecommendQuery",
    "Rules",
    "ScoreQuery",
    "SlateQuery",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """What one field of an item must be."""

    field: str
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None

    @property
    def ranged(self) -> bool:
        """True where the field must be a number within bounds."""
        return self.at_least is not None or self.at_most is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Interaction:
    """Which of the user's latest interactions; all of them where neither is set."""

    task: str = ""
    within_seconds: float = math.inf


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which items of the catalogue may be drawn."""

    conditions: tuple[Condition, ...] = ()
    published_within_seconds: float = math.inf


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """An item, and its position from 0."""

    item_id: str
    position: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Cap:
    """How often a value of a field may occur in the list."""

    field: str
    at_most: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Boost:
    """What is added to the rank score where the condition holds."""

    condition: Condition
    score_delta: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the list must be, whatever the scores are."""

    pins: tuple[Pin, ...] = ()
    caps: tuple[Cap, ...] = ()
    boosts: tuple[Boost, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Exploration:
    """How the list is drawn at random; not at all where the temperature is 0."""

    temperature: float = 0.0
    candidate_count: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SlateQuery:
    """One list of a request (`ListSpec`)."""

    name: str = ""
    path: str = "list"
    """Where the request has it, such as slates[0].list; errors name it."""
    count: int
    item_types: frozenset[str] = frozenset()
    filter: Filter = field(default_factory=Filter)
    leave_out: tuple[Interaction, ...] = (Interaction(),)
    """An item with one of these interactions is left out; by default, any interaction."""
    task_weights: Mapping[str, float] = field(default_factory=dict)
    diversity: float = 0.0
    rules: Rules = field(default_factory=Rules)
    exploration: Exploration = field(default_factory=Exploration)


def _new_id() -> str:
    """The id of the response, known from the start: the log of the call names it too."""
    return uuid.uuid4().hex


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreQuery:
    """See `ScoreRequest` in protos/headwater/v1/recommender.proto; `seconds` is the time left to answer."""

    user_id: str
    item_ids: Sequence[str]
    tasks: Sequence[str] = ()
    seconds: float
    recommendation_id: str = field(default_factory=_new_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecommendQuery:
    """See `RecommendRequest` in protos/headwater/v1/recommender.proto: one list or more; `seconds` is the time left to answer."""

    user_id: str
    slates: tuple[SlateQuery, ...]
    tasks: Sequence[str] = ()
    exclude_item_ids: Sequence[str] = ()
    context_text: str = ""
    preview: bool = False
    request_id: str = ""
    seconds: float
    recommendation_id: str = field(default_factory=_new_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainQuery:
    """See `ExplainRequest` in protos/headwater/v1/recommender.proto; `seconds` is the time left to answer."""

    user_id: str
    item_id: str
    tasks: Sequence[str] = ()
    seconds: float
    recommendation_id: str = field(default_factory=_new_id)
