"""Names and the order of every stored counter and of every feature that the model sees."""

import zlib
from dataclasses import dataclass
from functools import cached_property

from feature_repo.tasks import Task

__all__ = ["AUDIENCE", "HALF_LIVES", "HISTORY", "RECENT", "TYPE_BITS", "Vocabulary"]

HALF_LIVES: tuple[tuple[str, float], ...] = (
    ("10m", 600.0),
    ("1d", 86_400.0),
    ("30d", 30 * 86_400.0),
    ("all", float("inf")),
)
"""Name and seconds of each half-life that counters decay with."""

RECENT = 64
"""Engagements that a user row keeps, the most recent first."""

AUDIENCE = 256
"""Users that an item row keeps, the latest last."""

HISTORY = 20
"""Engagements of those that the model's attention sees."""

TYPE_BITS = 8
"""Bits of a hash by which the model tells types of items apart: two types look alike by a chance of 1 in 256."""

_ITEM = ("item_mean", "item_trend", "item_count_log")
_USER = ("user_mean", "user_count_log", "user_bias", "user_session", "user_last", "user_last3")
_CROSS = (
    "text_affinity",
    "category_affinity",
    "popularity_affinity",
    "age_affinity",
    "audience_affinity",
    "mean_slope",
    "popularity_slope",
    "age_slope",
    "expected",
)
_CONTEXT = (
    "user_silence_log",
    "user_session_log",
    "user_day_log",
    "user_tenure_log",
    "user_impressions_log",
    "item_impressions_log",
    "item_impressions_day_log",
    "item_silence_log",
    "item_age_log",
    "text_nearest",
    "text_mean",
    "category_overlap",
    "user_known",
    "item_known",
    *(f"item_type_{bit}" for bit in range(TYPE_BITS)),
)


@dataclass(frozen=True)
class Vocabulary:
    """Names and meanings that follow from the declared tasks; two processes exchange rows only if their fingerprints agree."""

    tasks: tuple[Task, ...]

    @cached_property
    def counters(self) -> tuple[str, ...]:
        """Counters of a user or an item row; each is kept at every half-life."""
        per_task = (f"{task.name}_{what}" for what in ("observations", "label_sum") for task in self.tasks)
        return ("impressions", "actions", *per_task)

    @cached_property
    def activity(self) -> tuple[str, ...]:
        """The packed float array of a user or an item row: two times, then counters by half-life."""
        cells = (f"{counter}@{name}" for counter in self.counters for name, _ in HALF_LIVES)
        return ("first_at", "updated_at", *cells)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """What the model sees of one user and one item, in order."""
        per_task = (f"{task.name}:{name}" for name in (*_ITEM, *_USER, *_CROSS) for task in self.tasks)
        return (*per_task, *_CONTEXT)

    @cached_property
    def implicit(self) -> tuple[bool, ...]:
        """True for tasks that every impression labels."""
        return tuple(task.implicit for task in self.tasks)

    @cached_property
    def fingerprint(self) -> int:
        """32-bit hash over all names in order and over what each task's labels mean; stored with rows, examples and snapshots."""
        half_lives = (f"{name}={seconds!r}" for name, seconds in HALF_LIVES)
        meanings = (task.meaning for task in self.tasks)
        words = (*self.activity, *self.features, *half_lives, *meanings, str(RECENT), str(HISTORY), str(AUDIENCE))
        return zlib.crc32("\n".join(words).encode())
