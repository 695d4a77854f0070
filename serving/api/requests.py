"""Requests of the data plane, free of the wire.

protos/headwater/v1/recommender.proto says what each part means. An invalid part raises InvalidRequest when it is made, with the
field's path within the part; whoever makes the whole puts the path to the part before it (`located`).
"""

import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from serving.api.errors import InvalidRequest

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
    "located",
]

_MAX_CONDITIONS = 32
_MAX_VALUES = 1000
_MAX_EXPLORED = 500  # the candidates travel in one impression


@contextmanager
def located(path: str) -> Iterator[None]:
    """Puts `path` before the field that an InvalidRequest raised within names."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(f"{path}.{error.field}", error.problem) from error


def _check_duration(name: str, seconds: float) -> None:
    if not seconds > 0.0:
        raise InvalidRequest(name, f"got {seconds:g} s; give a positive duration, or leave it out for any time")


def _check_number(name: str, number: int) -> None:
    if number > _MAX_CONDITIONS:
        raise InvalidRequest(name, f"got {number}, {_MAX_CONDITIONS} are allowed")


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
            raise InvalidRequest(
                "any_of", f"no condition on {self.field or '(no field)'}; give any_of, none_of, at_least or at_most"
            )
        for name, values in (("any_of", self.any_of), ("none_of", self.none_of)):
            if len(values) > _MAX_VALUES:
                raise InvalidRequest(name, f"{self.field} has {len(values)} values, {_MAX_VALUES} are allowed")
        for name, bound in (("at_least", self.at_least), ("at_most", self.at_most)):
            if bound is not None and math.isnan(bound):
                raise InvalidRequest(name, f"NaN is not a bound of {self.field}; give a number")

    @property
    def ranged(self) -> bool:
        """True where the field must be a number within bounds."""
        return self.at_least is not None or self.at_most is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Interaction:
    """Which of the user's latest interactions; all of them where neither is set."""

    task: str = ""
    within_seconds: float = math.inf

    def __post_init__(self) -> None:
        _check_duration("within", self.within_seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which items of the catalogue may be drawn."""

    conditions: tuple[Condition, ...] = ()
    published_within_seconds: float = math.inf

    def __post_init__(self) -> None:
        _check_number("conditions", len(self.conditions))
        _check_duration("published_within", self.published_within_seconds)


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

    def __post_init__(self) -> None:
        if self.at_most < 1:
            raise InvalidRequest("at_most", f"0 items per {self.field}; give 1 or more, or exclude values by a filter's none_of")


@dataclass(frozen=True, kw_only=True, slots=True)
class Boost:
    """What is added to the rank score where the condition holds."""

    condition: Condition
    score_delta: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.score_delta):
            raise InvalidRequest("score_delta", f"{self.score_delta} on {self.condition.field}; give a finite number")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the list must be, whatever the scores are."""

    pins: tuple[Pin, ...] = ()
    caps: tuple[Cap, ...] = ()
    boosts: tuple[Boost, ...] = ()

    def __post_init__(self) -> None:
        for name, rules in (("caps", self.caps), ("boosts", self.boosts)):
            _check_number(name, len(rules))


@dataclass(frozen=True, kw_only=True, slots=True)
class Exploration:
    """How the list is drawn at random; not at all where the temperature is 0."""

    temperature: float = 0.0
    candidate_count: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0.0):
            raise InvalidRequest("temperature", f"got {self.temperature}; give 0 or more, in units of the rank score")
        if self.candidate_count > _MAX_EXPLORED:
            raise InvalidRequest(
                "candidate_count", f"got {self.candidate_count}; at most {_MAX_EXPLORED} candidates are drawn from"
            )


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

    def __post_init__(self) -> None:
        if not 0.0 <= self.diversity <= 1.0:
            raise InvalidRequest("diversity", f"got {self.diversity}; give a number from 0 to 1")
        if self.exploration.temperature and (self.diversity or self.rules.caps):
            raise InvalidRequest("exploration", "cannot be combined with diversity or caps; leave one of them out")
        if 0 < self.exploration.candidate_count < self.count:
            raise InvalidRequest(
                "exploration.candidate_count", f"got {self.exploration.candidate_count}, fewer than the {self.count} items wanted"
            )
        pins = self.rules.pins
        if any(pin.position >= self.count for pin in pins):
            raise InvalidRequest("rules.pins", f"a list of {self.count} has positions 0 to {self.count - 1}")
        if len({pin.position for pin in pins}) < len(pins) or len({pin.item_id for pin in pins}) < len(pins):
            raise InvalidRequest("rules.pins", "each item and each position can be pinned once")


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
