"""Validation of requests as they arrive: raw messages, before any part of them is converted.

Counts come first and texts after them, so every part is looked at once, and refusing a request costs no more than reading it.
What only the catalogue knows (its types, fields and items) is checked where it is looked up.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from feature_repo.tasks import Task
from headwater.v1 import recommender_pb2 as pb
from serving.api.errors import InvalidRequest, located, shown

__all__ = ["MAX_ID", "MAX_QUERY_BYTES", "Limits", "parsed", "seconds_of"]

MAX_QUERY_BYTES = 2**20
"""Of any request but RecordEvents, whose events are up to 64 KiB each."""
MAX_ID = 256
"""Characters of an id, as events and catalogue entries have it."""

_MAX_NAME = 64
_MAX_VALUE = 256
_MAX_TASKS = 256
_MAX_EXCLUDED = 10_000
_MAX_SLATES = 16
_MAX_TYPES = 100
_MAX_PINS = 100
_MAX_RULES = 32  # of one kind in one list
_MAX_PAGE_CONDITIONS = 128  # each filter's is one pass over the catalogue
_MAX_VALUES = 1000
_MAX_EXPLORED = 500  # the candidates travel in one impression
_MAX_SIZE = 1e6  # of weights and boosts, so that sums stay finite
_MIN_TEMPERATURE = 1e-6

_M = TypeVar("_M", bound=Message)


def parsed(kind: type[_M], request: bytes, *, max_bytes: int) -> _M:
    """The message, or InvalidRequest where the bytes are too many or no such message."""
    if len(request) > max_bytes:
        raise InvalidRequest("request", f"{len(request)} bytes, {max_bytes} are allowed; ask for less at once")
    try:
        return kind.FromString(request)
    except DecodeError as error:
        raise InvalidRequest("request", f"no {kind.__name__} in protobuf: {error}") from error


def seconds_of(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of one request; every `check` raises InvalidRequest for what is beyond them."""

    tasks: tuple[Task, ...]
    max_candidates: int = 1000
    candidate_pool: int = 500
    max_events: int = 1000
    max_context_characters: int = 4000

    @property
    def names(self) -> tuple[str, ...]:
        """The declared tasks, in order."""
        return tuple(task.name for task in self.tasks)

    def check_score(self, request: pb.ScoreRequest) -> None:
        _check_size("item_ids", len(request.item_ids), self.max_candidates)
        self._check_asker(request)
        for at, item_id in enumerate(request.item_ids):
            if not item_id:
                raise InvalidRequest(f"item_ids[{at}]", "empty; give ids of the catalogue")
        _check_lengths("item_ids", request.item_ids, MAX_ID)

    def check_recommend(self, request: pb.RecommendRequest) -> None:
        self._check_page(request, [request.list], ["list"])

    def check_slates(self, request: pb.RecommendSlatesRequest) -> None:
        slates = request.slates
        _check_size("slates", len(slates), _MAX_SLATES)
        names = [slate.name for slate in slates]
        if len(set(names)) < len(names) or (len(names) > 1 and "" in names) or max(map(len, names)) > _MAX_NAME:
            named = ", ".join(map(shown, names[:_NAMED]))
            raise InvalidRequest("slates", f"the names begin {named}; give each its own, of 1 to {_MAX_NAME} characters")
        self._check_page(request, [slate.list for slate in slates], [f"slates[{at}].list" for at in range(len(slates))])

    def check_explain(self, request: pb.ExplainRequest) -> None:
        self._check_asker(request)
        _check_length("item_id", request.item_id, MAX_ID)

    def check_events(self, request: pb.RecordEventsRequest) -> None:
        _check_size("events", len(request.events), self.max_events)

    def columns(self, tasks: Iterable[str]) -> list[int]:
        """Columns of the tasks asked for, each once, in that order; all where none is named."""
        self._check_declared("tasks", tuple(tasks))
        at = {name: column for column, name in enumerate(self.names)}
        return [at[name] for name in dict.fromkeys(tasks)] or list(range(len(self.tasks)))

    def weights(self, weights: Mapping[str, float], field: str = "task_weights") -> NDArray[np.float64]:
        """Weight of each task in the ranking, (T,); the tasks file's where none is given. `field` is named in errors."""
        if not weights:
            return np.array([task.rank_weight for task in self.tasks])
        self._check_declared(field, tuple(weights))
        if not all(abs(weight) <= _MAX_SIZE for weight in weights.values()) or not any(weights.values()):
            given = ", ".join(f"{name}: {weight:g}" for name, weight in list(weights.items())[:_NAMED])
            raise InvalidRequest(
                field, f"{given}; give finite numbers of at most {_MAX_SIZE:g} in size, at least one of them other than 0"
            )
        return np.array([weights.get(name, 0.0) for name in self.names])

    def _check_asker(
        self, request: pb.ScoreRequest | pb.RecommendRequest | pb.RecommendSlatesRequest | pb.ExplainRequest
    ) -> None:
        if not request.user_id:
            raise InvalidRequest("user_id", "empty; send the id that the user's events carry (for a new user, its future one)")
        _check_length("user_id", request.user_id, MAX_ID)
        self._check_declared("tasks", request.tasks)

    def _check_page(
        self,
        request: pb.RecommendRequest | pb.RecommendSlatesRequest,
        lists: Sequence[pb.ListSpec],
        paths: Sequence[str],
    ) -> None:
        _check_count("exclude_item_ids", request.exclude_item_ids, _MAX_EXCLUDED)
        self._check_asker(request)
        _check_length("request_id", request.request_id, MAX_ID)
        _check_length("context_text", request.context_text, self.max_context_characters)
        _check_lengths("exclude_item_ids", request.exclude_item_ids, MAX_ID)
        for path, one in zip(paths, lists, strict=True):
            with located(path):
                self._check_list(one)
        page = [
            ("items", sum(one.count for one in lists), max(self.max_candidates, self.candidate_pool)),
            ("conditions", sum(len(one.filter.conditions) for one in lists), _MAX_PAGE_CONDITIONS),
        ]
        for what, number, most in page:
            if number > most:
                raise InvalidRequest("slates", f"{number} {what} in all lists together, {most} are allowed")
        pinned: set[str] = set()
        for one in lists:
            ids = {pin.item_id for pin in one.rules.pins}
            if twice := sorted(ids & pinned):
                raise InvalidRequest("slates", f"{shown(twice[0])} is pinned in two slates; no item is shown twice")
            pinned |= ids

    def _check_list(self, wanted: pb.ListSpec) -> None:
        _check_size("count", wanted.count, self.candidate_pool)
        _check_count("item_types", wanted.item_types, _MAX_TYPES)
        _check_count("leave_out.any_of", wanted.leave_out.any_of, _MAX_RULES)
        _check_count("task_weights", wanted.task_weights, _MAX_TASKS)
        _check_count("filter.conditions", wanted.filter.conditions, _MAX_RULES)
        _check_count("rules.pins", wanted.rules.pins, _MAX_PINS)
        _check_count("rules.caps", wanted.rules.caps, _MAX_RULES)
        _check_count("rules.boosts", wanted.rules.boosts, _MAX_RULES)
        _check_lengths("item_types", wanted.item_types, _MAX_NAME)
        self.weights(wanted.task_weights)
        if not 0.0 <= wanted.diversity <= 1.0:
            raise InvalidRequest("diversity", f"got {wanted.diversity}; give a number from 0 to 1")
        for at, interaction in enumerate(wanted.leave_out.any_of):
            path = f"leave_out.any_of[{at}]"
            _check_duration(f"{path}.within", interaction, "within")
            self._check_declared(f"{path}.task", (interaction.task,) if interaction.task else ())
        for at, condition in enumerate(wanted.filter.conditions):
            with located(f"filter.conditions[{at}]"):
                _check_condition(condition)
        _check_duration("filter.published_within", wanted.filter, "published_within")
        _check_rules(wanted.rules, wanted.count)
        with located("exploration"):
            _check_exploration(wanted)

    def _check_declared(self, field: str, tasks: Collection[str]) -> None:
        _check_count(field, tasks, _MAX_TASKS)
        if unknown := sorted(set(tasks).difference(self.names)):
            named = ", ".join(map(shown, unknown[:_NAMED]))
            raise InvalidRequest(field, f"{named} is not declared; there are: {', '.join(self.names)}")


_NAMED = 3  # of what is wrong; the rest is of the same kind


def _check_condition(condition: pb.Condition) -> None:
    _check_length("field", condition.field, MAX_ID)
    for name, values in (("any_of", condition.any_of), ("none_of", condition.none_of)):
        _check_count(name, values, _MAX_VALUES)
        _check_lengths(name, values, _MAX_VALUE)
    bounds = [name for name in ("at_least", "at_most") if condition.HasField(name)]
    if not (condition.any_of or condition.none_of or bounds):
        named = shown(condition.field) or "(no field)"
        raise InvalidRequest("any_of", f"no condition on {named}; give any_of, none_of, at_least or at_most")
    for name in bounds:
        if math.isnan(getattr(condition, name)):
            raise InvalidRequest(name, f"NaN is not a bound of {shown(condition.field)}; give a number")


def _check_rules(rules: pb.Rules, count: int) -> None:
    _check_lengths("rules.pins", [pin.item_id for pin in rules.pins], MAX_ID)
    if any(pin.position >= count for pin in rules.pins):
        raise InvalidRequest("rules.pins", f"a list of {count} has positions 0 to {count - 1}")
    pins = len(rules.pins)
    if len({pin.position for pin in rules.pins}) < pins or len({pin.item_id for pin in rules.pins}) < pins:
        raise InvalidRequest("rules.pins", "each item and each position can be pinned once")
    for at, cap in enumerate(rules.caps):
        with located(f"rules.caps[{at}]"):
            _check_length("field", cap.field, MAX_ID)
            if cap.at_most < 1:
                refusal = f"0 items per {shown(cap.field)}; give 1 or more, or exclude values by a filter's none_of"
                raise InvalidRequest("at_most", refusal)
    for at, boost in enumerate(rules.boosts):
        with located(f"rules.boosts[{at}]"):
            with located("condition"):
                _check_condition(boost.condition)
            if not abs(boost.score_delta) <= _MAX_SIZE:
                named = f"{boost.score_delta:g} on {shown(boost.condition.field)}"
                refusal = f"{named}; give a number of at most {_MAX_SIZE:g} in size"
                raise InvalidRequest("score_delta", refusal)


def _check_exploration(wanted: pb.ListSpec) -> None:
    temperature, among = wanted.exploration.temperature, wanted.exploration.candidate_count
    if temperature != 0.0 and not _MIN_TEMPERATURE <= temperature <= _MAX_SIZE:
        allowed = f"{_MIN_TEMPERATURE:g} to {_MAX_SIZE:g}"
        raise InvalidRequest("temperature", f"got {temperature:g}; give 0, or {allowed} in units of the rank score")
    if among > _MAX_EXPLORED:
        raise InvalidRequest("candidate_count", f"got {among}; at most {_MAX_EXPLORED} candidates are drawn from")
    if 0 < among < wanted.count:
        raise InvalidRequest("candidate_count", f"got {among}, fewer than the {wanted.count} items wanted")
    if temperature and (wanted.diversity or wanted.rules.caps):
        raise InvalidRequest("temperature", "exploration cannot be combined with diversity or caps; leave one of them out")


def _check_duration(path: str, part: pb.Interaction | pb.Filter, field: str) -> None:
    if part.HasField(field) and not (seconds := seconds_of(getattr(part, field))) > 0.0:
        raise InvalidRequest(path, f"got {seconds:g} s; give a positive duration, or leave it out for any time")


def _check_size(field: str, size: int, limit: int) -> None:
    if not 0 < size <= limit:
        raise InvalidRequest(field, f"got {size}, from 1 to {limit} are allowed")


def _check_count(field: str, parts: Collection[object], limit: int) -> None:
    if len(parts) > limit:
        raise InvalidRequest(field, f"got {len(parts)}, {limit} are allowed")


def _check_length(field: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise InvalidRequest(field, _wrong_length(text, limit))


def _check_lengths(field: str, texts: Sequence[str], limit: int) -> None:
    for at, text in enumerate(texts):
        if len(text) > limit:
            raise InvalidRequest(f"{field}[{at}]", _wrong_length(text, limit))


def _wrong_length(text: str, limit: int) -> str:
    return f"{shown(text)} has {len(text)} characters, {limit} are allowed"
