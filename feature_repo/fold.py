"""Folding of one event: into the user's row, into the item's row, and the labelled examples that it settles."""

import math
import zlib
from bisect import bisect_right, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from types import MappingProxyType

import numpy as np

from feature_repo.audience import remember
from feature_repo.counters import add
from feature_repo.decoded_event import FORGET, IMPRESSION, DecodedEvent, Served
from feature_repo.pending_impressions import LabelledExample, PendingImpression
from feature_repo.rows import MAX_PENDING, MAX_UNMATCHED, ItemRow, UserRow
from feature_repo.tasks import Task
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Erasure, ItemAction, SourcePosition, UnmatchedAction

__all__ = ["ALLOWED_LATENESS", "Folded", "UserFold", "fold_item"]

ALLOWED_LATENESS = 60.0
"""Seconds by which an event may come behind later ones, or clocks differ, and still find the impression that it belongs to."""

_NAN = float("nan")
_NONE: Mapping[int, float] = MappingProxyType({})
_SETTLED_FROM = 65_536  # index of the first example that an event settles of other users: beyond those of its own

FeaturesOf = Callable[[UserRow, str, float], Served]
"""Makes the features of a user and an item at a time, from rows as they stand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Folded:
    """What one event led to; `duplicate` and `erased_before` events lead to nothing."""

    duplicate: bool = False
    erased_before: bool = False
    """It occurred before its user asked to be forgotten."""
    erasure: Erasure | None = None
    """The receipt of an erasure request, once the row is written; redelivered or repeated, it is answered again."""
    action: ItemAction | None = None
    examples: list[bytes] = field(default_factory=list)
    """What it taught, in order: each an Example in protobuf, one without labels for an impression that carries no predictions."""
    labelled: int = 0
    """How many of them have labels."""
    clipped: tuple[str, ...] = ()
    """Tasks whose range the event's value lies outside of; it counts as the nearest within."""


class UserFold:
    """Folds a user's events, in the order of the log, into the user's row; joins impressions and actions into examples.

    The position in the row makes redelivery harmless, the remembered event ids a producer's repeats.
    """

    def __init__(self, vocabulary: Vocabulary, features_of: FeaturesOf) -> None:
        self._vocabulary = vocabulary
        self._tasks = vocabulary.tasks
        self._features_of = features_of
        self._implicit = [(at, task.window_seconds) for at, task in enumerate(self._tasks) if task.implicit]
        self._awaited = [(at, seconds) for at, seconds in self._implicit if self._tasks[at].late == "wait"]
        self._observed = [float(task.implicit) for task in self._tasks]
        self._corrected = [at for at, task in enumerate(self._tasks) if task.late == "correct"]
        self._window = max(task.window_seconds for task in self._tasks)
        self._first_window = min((seconds for _, seconds in self._implicit), default=self._window)

    def fold(self, row: UserRow, event: DecodedEvent, source: SourcePosition, outside: Mapping[int, float] = _NONE) -> Folded:
        """Folds one event into `row`, in place, and moves its position to `source`.

        Args:
            outside: what `ValueRanges.observe` gave: by task, the label that takes the place of an unusual one.
        """
        event_hash = int.from_bytes(blake2b(event.event_id.encode(), digest_size=8).digest(), "little")
        redelivered = row.log == source.log and row.partition == source.partition and source.offset <= row.offset
        if not redelivered:
            row.log, row.partition, row.offset = source.log, source.partition, source.offset
        if event.kind == FORGET:
            known = redelivered or event.at <= row.barred_until
            if not known:
                row.erase(event.event_id, source, event.at)
            return Folded(duplicate=known, erasure=row.erasure)
        if redelivered:
            return Folded(duplicate=True)
        if event.at <= row.barred_until:
            return Folded(erased_before=True)
        if not row.see(event_hash):
            return Folded(duplicate=True)
        row.alias = row.alias or (event_hash & 0xFFFF_FFFF) or 1

        examples = self.expire(row, max(row.updated_at, event.at))
        shown = event.kind == IMPRESSION
        observations, sums = self._impress(row, event, examples) if shown else self._act(row, event, examples, outside)
        action = ItemAction(
            item_id=event.item_id,
            source=source,
            occurred_at=event.at,
            user_id=row.user_id,
            alias=row.alias,
            impression=shown,
            action=not shown,
            observations=observations,
            label_sums=sums,
        )
        delta_C = np.array([float(shown), float(not shown), *observations, *sums])
        row.updated_at = add(row.counters_CH, row.updated_at, delta_C, event.at)
        row.first_at = min(row.first_at, event.at) if row.first_at else event.at
        return Folded(
            action=action,
            examples=[example.to_bytes(source, index) for index, example in enumerate(examples)],
            labelled=sum(example.labelled for example in examples),
            clipped=self._clipped(event, outside),
        )

    def settle(self, row: UserRow, now: float, source: SourcePosition, rank: int) -> list[bytes]:
        """What is over by `now`, the time of the user's partition: the labelled examples, and a row that includes them.

        Args:
            source: the event by which it became so late; nothing happens where the row includes what followed from it already.
            rank: the user's place among those of whom something is due by that event.
        """
        if (row.log, row.partition) != (source.log, source.partition) or source.offset <= row.offset:
            return []
        examples = self.expire(row, max(row.updated_at, now))
        if not examples:
            return []
        row.offset = source.offset
        first = _SETTLED_FROM + rank * (MAX_PENDING + 1)
        return [example.to_bytes(source, index) for index, example in enumerate(examples, start=first)]

    def due_at(self, row: UserRow) -> float:
        """When the time for the next label of the row's impressions is over, Unix seconds; infinite where none is awaited."""
        due = math.inf
        for at, seconds in self._awaited:
            open_ones = (one.shown_at for one in row.pending if one.labels[at] != one.labels[at])
            due = min(due, next(open_ones, math.inf) + seconds + ALLOWED_LATENESS)
        return due

    def expire(self, row: UserRow, now: float) -> list[LabelledExample]:
        """Settles as negative what no event has labelled within its window, and none that is late can any more, by `now`.

        The oldest comes first.
        """
        examples: list[LabelledExample] = []
        overflow = len(row.pending) - MAX_PENDING
        old = bisect_right(row.pending, now - ALLOWED_LATENESS - self._first_window, key=lambda one: one.shown_at)
        if (looked_at := max(old, overflow)) > 0:  # rarely: a user's events come close together
            kept = [one for at, one in enumerate(row.pending[:looked_at]) if self._expire(one, now, at < overflow, examples)]
            row.pending[:looked_at] = kept
        # An impression comes at most so late, and may be of a clock that runs ahead of the action's by as much again.
        if row.unmatched:
            row.unmatched = [one for one in row.unmatched if one.occurred_at >= now - 2 * ALLOWED_LATENESS][-MAX_UNMATCHED:]
        return examples

    def _expire(self, pending: PendingImpression, now: float, overdue: bool, examples: list[LabelledExample]) -> bool:
        """Settles what is over of one impression, of all tasks where it is `overdue`; whether it waits on."""
        age = now - pending.shown_at - ALLOWED_LATENESS
        labels = pending.labels
        negatives = [at for at, seconds in self._implicit if labels[at] != labels[at] and (overdue or age >= seconds)]
        for at in negatives:
            labels[at] = 0.0
        taught = [at for at in negatives if self._tasks[at].late == "wait" and self._is_kept(pending, self._tasks[at])]
        if taught:
            examples.append(pending.example(dict.fromkeys(taught, 0.0), now))
        return age < self._window and not overdue

    def _impress(self, row: UserRow, event: DecodedEvent, examples: list[LabelledExample]) -> tuple[list[float], list[float]]:
        served = self._served(row, event)
        pending = self._pending(row, event, served)
        at_once = [at for at in self._corrected if self._is_kept(pending, self._tasks[at])]
        if at_once or served.predictions is None:
            # Its own labels stay open: a positive may still come.
            examples.append(pending.example(dict.fromkeys(at_once, 0.0), event.at))
        observations = self._observed.copy()
        for action in row.unmatched:  # where this comes late, behind its action, which was counted as an observation then
            if not self._belongs(action.item_id, action.recommendation_id, action.occurred_at, pending):
                continue
            taken = {
                at: label
                for at, label in enumerate(action.labels)
                if label == label and self._open(pending, at, action.occurred_at)
            }
            for at in taken:
                observations[at], action.labels[at] = 0.0, _NAN
            if taken:
                examples.append(pending.settle(taken, event.at))
        if any(map(math.isnan, pending.labels)):
            insort(row.pending, pending, key=lambda one: one.shown_at)
        return observations, [0.0] * len(self._tasks)

    def _clipped(self, event: DecodedEvent, outside: Mapping[int, float]) -> tuple[str, ...]:
        return tuple(
            task.name
            for at, task in enumerate(self._tasks)
            if at in outside or (task.event == event.kind and event.value is not None and task.lies_outside(event.value))
        )

    def _act(
        self, row: UserRow, event: DecodedEvent, examples: list[LabelledExample], outside: Mapping[int, float]
    ) -> tuple[list[float], list[float]]:
        tasks = [(at, task) for at, task in enumerate(self._tasks) if task.event == event.kind]
        labels = {at: label for at, task in tasks if (label := task.label(event.value, censored=event.censored)) is not None}
        censored = tasks if event.censored else []
        lower_bounds = {at: bound for at, task in censored if (bound := task.lower_bound(event.value)) is not None}
        for at, label in outside.items():
            known = lower_bounds if event.censored else labels
            known[at] = label
        pending = self._match(row, event)
        observations, sums = [0.0] * len(self._tasks), [0.0] * len(self._tasks)
        settled: dict[int, float] = {}
        for at, label in labels.items():
            implicit = self._tasks[at].implicit
            if implicit and pending is not None and not self._open(pending, at, event.at):
                continue  # the impression already has its positive, or its time is over
            observations[at] = 0.0 if implicit and pending is not None else 1.0
            sums[at] = label
            # A positive whose impression is not known has no negatives with it, so it teaches no rate.
            if pending is not None or not implicit:
                settled[at] = label
        if settled or lower_bounds:  # a bound settles nothing: the whole read may still come
            source = pending if pending is not None else self._pending(row, event, self._served(row, event))
            examples.append(source.settle(settled, event.at, lower_bounds))
            if pending is not None and all(label == label for label in pending.labels):
                row.pending.remove(pending)
        if pending is None and any(self._tasks[at].implicit for at in labels):
            row.unmatched.append(
                UnmatchedAction(
                    item_id=event.item_id,
                    recommendation_id=event.recommendation_id,
                    occurred_at=event.at,
                    labels=[labels.get(at, _NAN) if task.implicit else _NAN for at, task in enumerate(self._tasks)],
                )
            )
        row.engage(event.item_id, event.at, [labels.get(at, _NAN) for at in range(len(self._tasks))])
        return observations, sums

    def _served(self, row: UserRow, event: DecodedEvent) -> Served:
        """Features and predictions as the server scored; else features as of now, before the event counts."""
        served = event.served
        if served is None or served.fingerprint != self._vocabulary.fingerprint:
            return self._features_of(row, event.item_id, event.at)
        if served.predictions is not None and len(served.predictions) != len(self._tasks):
            return replace(served, predictions=None)
        return served

    def _pending(self, row: UserRow, event: DecodedEvent, served: Served) -> PendingImpression:
        """The event as an impression."""
        return PendingImpression.of(
            user_id=row.user_id,
            item_id=event.item_id,
            recommendation_id=event.recommendation_id,
            shown_at=event.at,
            served=served,
            tasks=len(self._tasks),
        )

    def _match(self, row: UserRow, event: DecodedEvent) -> PendingImpression | None:
        """The impression that the action belongs to: the latest before it, else the first after it, as of another clock."""
        found: PendingImpression | None = None
        for pending in reversed(row.pending):
            if self._belongs(event.item_id, event.recommendation_id, event.at, pending):
                found = pending
                if pending.shown_at <= event.at:
                    break
        return found

    def _belongs(self, item_id: str, recommendation_id: str, at: float, pending: PendingImpression) -> bool:
        """Whether an action may follow from an impression: by recommendation where it names one, else by item, and by time."""
        named = item_id == pending.item_id and recommendation_id in ("", pending.recommendation_id)
        return named and -ALLOWED_LATENESS <= at - pending.shown_at < self._window

    def _open(self, pending: PendingImpression, task: int, at: float) -> bool:
        """Whether the impression still lacks the label of an implicit task, and an action at this time may give it."""
        return pending.labels[task] != pending.labels[task] and at - pending.shown_at < self._tasks[task].window_seconds

    @staticmethod
    def _is_kept(pending: PendingImpression, task: Task) -> bool:
        """Whether a negative is learned from: drawn by what it is about, so that a replay draws the same."""
        if task.keep_negatives == 1.0:
            return True
        key = f"{task.name}\0{pending.user_id}\0{pending.item_id}\0{pending.shown_at!r}"
        return zlib.crc32(key.encode()) < task.keep_negatives * 2**32


def fold_item(row: ItemRow, action: ItemAction) -> bool:
    """Folds one action, or the item's deletion, into its row, in place; False if the row already includes it."""
    if action.deleted:
        return row.erase(action.occurred_at)
    if round(1e6 * action.occurred_at) <= row.deleted_micros:
        return False
    source = action.source
    if row.log != source.log:
        row.log, row.offsets = source.log, {}
    if source.offset <= row.offsets.get(source.partition, -1):
        return False
    row.offsets[source.partition] = source.offset
    delta_C = np.array([float(action.impression), float(action.action), *action.observations, *action.label_sums])
    row.updated_at = add(row.counters_CH, row.updated_at, delta_C, action.occurred_at)
    row.first_at = min(row.first_at, action.occurred_at) if row.first_at else action.occurred_at
    tasks = list(zip(action.observations, action.label_sums, strict=True))
    if action.action and any(observed or total for observed, total in tasks):
        labels = [total if observed or total else _NAN for observed, total in tasks]
        row.audience_AC = remember(row.audience_AC, action.alias, action.occurred_at, labels)
    return True
