"""Validation of requests, with messages that tell a caller what to change."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_repo.tasks import Task
from serving.api.errors import InvalidRequest
from serving.api.requests import SlateQuery

__all__ = ["Limits"]

_MAX_SLATES = 16
_MAX_NAME = 64
_MAX_ID = 256  # as events and catalogue entries have it


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of one request; every method raises InvalidRequest for what is beyond them."""

    tasks: tuple[Task, ...]
    max_candidates: int = 1000
    candidate_pool: int = 500
    max_events: int = 1000
    max_context_characters: int = 4000

    @property
    def names(self) -> tuple[str, ...]:
        """The declared tasks, in order."""
        return tuple(task.name for task in self.tasks)

    def check_user(self, user_id: str) -> None:
        if not user_id:
            raise InvalidRequest("user_id", "empty; send the id that the user's events carry (for a new user, its future one)")
        _check_length("user_id", user_id, _MAX_ID)

    def check_request_id(self, request_id: str) -> None:
        _check_length("request_id", request_id, _MAX_ID)

    def check_items(self, item_ids: Sequence[str]) -> None:
        _check_size("item_ids", len(item_ids), self.max_candidates)
        if not all(item_ids):
            raise InvalidRequest(f"item_ids[{list(item_ids).index('')}]", "empty; give ids of the catalogue")
        _check_length("item_ids", max(item_ids, key=len), _MAX_ID)

    def check_context(self, text: str) -> None:
        _check_length("context_text", text, self.max_context_characters)

    def check_slates(self, slates: Sequence[SlateQuery]) -> None:
        _check_size("slates", len(slates), _MAX_SLATES)
        for slate in slates:
            _check_size(f"{slate.path}.count", slate.count, self.candidate_pool)
        names = [slate.name for slate in slates]
        if len(set(names)) < len(names) or (len(names) > 1 and "" in names) or len(max(names, key=len)) > _MAX_NAME:
            raise InvalidRequest("slates", f"names are {names}; give each its own, of 1 to {_MAX_NAME} characters")

    def check_events(self, count: int) -> None:
        _check_size("events", count, self.max_events)

    def columns(self, tasks: Sequence[str]) -> list[int]:
        """Columns of the tasks asked for, in that order; all where none is named."""
        self._check_declared("tasks", tasks)
        return [self.names.index(name) for name in tasks] or list(range(len(self.tasks)))

    def weights(self, weights: Mapping[str, float], field: str = "task_weights") -> NDArray[np.float64]:
        """Weight of each task in the ranking, (T,); the tasks file's where none is given. `field` is named in errors."""
        if not weights:
            return np.array([task.rank_weight for task in self.tasks])
        self._check_declared(field, list(weights))
        if not all(map(math.isfinite, weights.values())) or not any(weights.values()):
            raise InvalidRequest(field, f"{dict(weights)}; give finite numbers, at least one of them other than 0")
        return np.array([weights.get(name, 0.0) for name in self.names])

    def _check_declared(self, field: str, tasks: Sequence[str]) -> None:
        if unknown := sorted(set(tasks).difference(self.names)):
            raise InvalidRequest(field, f"{', '.join(unknown)} is not declared; there are: {', '.join(self.names)}")


def _check_size(field: str, size: int, limit: int) -> None:
    if not 0 < size <= limit:
        raise InvalidRequest(field, f"got {size}, from 1 to {limit} are allowed")


def _check_length(field: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise InvalidRequest(field, f"{text[:20]!r}... has {len(text)} characters, {limit} are allowed")
