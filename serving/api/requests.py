"""Requests of the data plane, free of the wire.

protos/headwater/v1/recommender.proto says what each part means. Raises InvalidRequest when a part is made that breaks a rule.
"""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serving.api.errors import InvalidRequest

__all__ = [
    "Acted",
    "Boost",
    "Cap",
    "Condition",
    "ExplainQuery",
    "Exploration",
    "Filter",
    "Pin",
    "RecommendQuery",
    "Rules",
    "ScoreQuery",
    "SlateQuery",
]

_MAX_CONDITIONS = 32
_MAX_VALUES = 1000
_MAX_AMONG = 500  # what was considered travels in one impression


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """What one field of an item must be."""

    field: str
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if not (self.any_of or self.none_of or self.ranged):
            raise InvalidRequest(f"condition on {self.field or '(no field)'}: give any_of, none_of, at_least or at_most")
        for name, values in (("any_of", self.any_of), ("none_of", self.none_of)):
            if len(values) > _MAX_VALUES:
                raise InvalidRequest(f"condition on {self.field}: {name} has {len(values)} values, {_MAX_VALUES} are allowed")
        if any(bound is not None and math.isnan(bound) for bound in (self.at_least, self.at_most)):
            raise InvalidRequest(f"condition on {self.field}: at_least and at_most must be numbers")

    @property
    def ranged(self) -> bool:
        """True where the field must be a number within bounds."""
        return self.at_least is not None or self.at_most is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Acted:
    """Which of the user's latest engagements to leave out."""

    task: str = ""
    within_seconds: float = 0.0

    def __post_init__(self) -> None:
        _check_seconds("filter.leave_out.within_seconds", self.within_seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which items of the catalogue may be drawn."""

    conditions: tuple[Condition, ...] = ()
    published_within_seconds: float = 0.0
    leave_out: tuple[Acted, ...] = ()

    def __post_init__(self) -> None:
        _check_number("filter.conditions", len(self.conditions))
        _check_seconds("filter.published_within_seconds", self.published_within_seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """An item, and its place from 0."""

    item_id: str
    position: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Cap:
    """How often a value of a field may occur in the list."""

    field: str
    at_most: int

    def __post_init__(self) -> None:
        if self.at_most < 1:
            raise InvalidRequest(f"rules.caps on {self.field}: at_most must be 1 or more; to leave values out, filter by none_of")


@dataclass(frozen=True, kw_only=True, slots=True)
class Boost:
    """What is added to the rank score where the condition holds."""

    condition: Condition
    add: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.add):
            raise InvalidRequest(f"rules.boosts on {self.condition.field}: add is {self.add}; give a finite number")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the list must be, whatever the scores are."""

    pins: tuple[Pin, ...] = ()
    caps: tuple[Cap, ...] = ()
    boosts: tuple[Boost, ...] = ()

    def __post_init__(self) -> None:
        for name, rules in (("caps", self.caps), ("boosts", self.boosts)):
            _check_number(f"rules.{name}", len(rules))


@dataclass(frozen=True, kw_only=True, slots=True)
class Exploration:
    """How the list is drawn at random; not at all where the temperature is 0."""

    temperature: float = 0.0
    among: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0.0):
            raise InvalidRequest(f"exploration.temperature is {self.temperature}; give 0 or more, in units of the rank score")
        if self.among > _MAX_AMONG:
            raise InvalidRequest(f"exploration.among is {self.among}; at most {_MAX_AMONG} candidates are drawn from")


@dataclass(frozen=True, kw_only=True, slots=True)
class SlateQuery:
    """One list of those that a request asks for."""

    name: str = ""
    count: int
    item_types: frozenset[str] = frozenset()
    task_weights: Mapping[str, float] = field(default_factory=dict)
    include_seen: bool = False
    filter: Filter = field(default_factory=Filter)
    diversity: float = 0.0
    rules: Rules = field(default_factory=Rules)
    exploration: Exploration = field(default_factory=Exploration)

    def __post_init__(self) -> None:
        if not 0.0 <= self.diversity <= 1.0:
            raise InvalidRequest(f"diversity is {self.diversity}; give a number from 0 to 1")
        if self.include_seen and self.filter.leave_out:
            raise InvalidRequest("include_seen and filter.leave_out contradict each other; set one of them")
        if self.exploration.temperature and (self.diversity or self.rules.caps):
            raise InvalidRequest("exploration cannot be joined with diversity or caps: leave one of them out")
        if 0 < self.exploration.among < self.count:
            raise InvalidRequest(f"exploration.among is {self.exploration.among}, fewer than the {self.count} items wanted")
        pins = self.rules.pins
        if any(pin.position >= self.count for pin in pins):
            raise InvalidRequest(f"rules.pins: a list of {self.count} has positions 0 to {self.count - 1}")
        if len({pin.position for pin in pins}) < len(pins) or len({pin.item_id for pin in pins}) < len(pins):
            raise InvalidRequest("rules.pins: each item and each position can be pinned once")


def _check_seconds(what: str, seconds: float) -> None:
    if not (math.isfinite(seconds) and seconds >= 0.0):
        raise InvalidRequest(f"{what} is {seconds}; give seconds, 0 for any time")


def _check_number(what: str, number: int) -> None:
    if number > _MAX_CONDITIONS:
        raise InvalidRequest(f"{what}: got {number}, {_MAX_CONDITIONS} are allowed")


def _new_id() -> str:
    """What the answer will be called, known from the first: the log of the call names it too."""
    return uuid.uuid4().hex


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreQuery:
    """See `ScoreRequest` in protos/headwater/v1/recommender.proto; `seconds` is the time left to answer."""

    user_id: str
    item_ids: Sequence[str]
    tasks: Sequence[str] = ()
    context_text: str = ""
    seconds: float
    recommendation_id: str = field(default_factory=_new_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecommendQuery:
    """See `RecommendRequest` in protos/headwater/v1/recommender.proto: one list or more; `seconds` is the time left to answer."""

    user_id: str
    slates: tuple[SlateQuery, ...]
    exclude_item_ids: Sequence[str] = ()
    context_text: str = ""
    preview: bool = False
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
