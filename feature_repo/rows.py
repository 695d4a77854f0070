"""State that is kept for one user and for one item, each row with the log position that it includes."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from feature_repo.audience import Audience, audience_of
from feature_repo.counters import ALL, HALF_LIFE_NAMES
from feature_repo.older_items import remember
from feature_repo.pending_impressions import PendingImpression
from feature_repo.vocabulary import RECENT, Vocabulary
from headwater.internal.v1.streams_pb2 import Erasure, SourcePosition, UnmatchedAction

__all__ = ["MAX_PENDING", "MAX_UNMATCHED", "SEEN_EVENTS", "ItemRow", "UserRow"]

MAX_PENDING = 128
"""Impressions of one user that may await their labels; beyond it the oldest is settled at once."""

MAX_UNMATCHED = 32
"""Actions of one user that may wait for an impression that comes late."""

SEEN_EVENTS = 512
"""Event ids of one user that are remembered, so that a producer's repeat counts once."""


@dataclass(kw_only=True, slots=True)
class UserRow:
    """Features of one user after the event at (`log`, `partition`, `offset`)."""

    user_id: str
    counters_CH: NDArray[np.float64]
    """Counters by half-life, as of `updated_at`."""
    first_at: float = 0.0
    updated_at: float = 0.0
    log: int = 0
    partition: int = -1
    offset: int = -1
    recent_ids: list[str] = field(default_factory=list)
    """Items engaged with, the most recent first; at most RECENT."""
    recent_R: NDArray[np.float64]
    """For each of them, (R, 1+T): Unix seconds, then a label for each task (NaN where unknown)."""
    label_times_RT: NDArray[np.float64]
    """When each of these labels was given, Unix seconds; of no meaning where the label is unknown."""
    older_N: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    """Items engaged with before those, as feature_repo.older_items keeps them."""
    pending: list[PendingImpression] = field(default_factory=list)
    """Impressions that await labels, the oldest first."""
    unmatched: list[UnmatchedAction] = field(default_factory=list)
    """Actions of the last moments whose impression is not known, the oldest first."""
    seen: dict[int, None] = field(default_factory=dict)
    """Hashes of the ids of the last SEEN_EVENTS events, the oldest first; a dictionary as an ordered set."""
    alias: int = 0
    """Under which items remember the user, 32 bits from the first event's id; erased with the rest, and 0 before there is one."""
    erasure: Erasure | None = None
    """What was erased when the user last asked to be forgotten; events of then or before are not folded any more."""

    @classmethod
    def empty(cls, user_id: str, vocabulary: Vocabulary) -> "UserRow":
        return cls(
            user_id=user_id,
            counters_CH=np.zeros((len(vocabulary.counters), len(HALF_LIFE_NAMES))),
            recent_R=np.empty((0, 1 + len(vocabulary.tasks))),
            label_times_RT=np.empty((0, len(vocabulary.tasks))),
        )

    @property
    def barred_until(self) -> float:
        """Events that occurred at this time or before are not folded, Unix seconds; 0 for a user who never asked."""
        return 0.0 if self.erasure is None else self.erasure.requested_at

    def see(self, event_hash: int) -> bool:
        """Remembers the hash of an event's id; False if it is remembered already."""
        if event_hash in self.seen:
            return False
        self.seen[event_hash] = None
        if len(self.seen) > SEEN_EVENTS:
            del self.seen[next(iter(self.seen))]
        return True

    def erase(self, event_id: str, source: SourcePosition, requested_at: float) -> None:
        """Empties the row of all but its position, and keeps what was erased: it bars older events and is the receipt."""
        self.erasure = Erasure(
            user_id=self.user_id,
            event_id=event_id,
            source=source,
            requested_at=requested_at,
            events=int(self.counters_CH[:2, ALL].sum()),
            engagements=len(self.recent_ids) + len(self.older_N),
            awaiting_impressions=len(self.pending),
            event_ids=len(self.seen),
        )
        self.counters_CH = np.zeros_like(self.counters_CH)
        self.first_at = self.updated_at = 0.0
        self.recent_ids, self.recent_R, self.label_times_RT = [], self.recent_R[:0], self.label_times_RT[:0]
        self.older_N = self.older_N[:0]
        self.pending, self.unmatched, self.alias = [], [], 0
        self.seen.clear()

    def engage(self, item_id: str, at: float, labels: list[float]) -> None:
        """Puts an engagement where its time belongs; of an item's labels for one task, the one of the latest event stays.

        Of events of the same time, the one that came last counts as the later.
        """
        ids, values_R, times_RT = self.recent_ids, self.recent_R, self.label_times_RT
        row, times = np.array([at, *labels]), np.full(len(labels), at)
        if item_id in ids:
            old = ids.index(item_id)
            known = values_R[old, 1:]
            keep = np.isnan(row[1:]) | (~np.isnan(known) & (times_RT[old] > at))
            row[1:], times = np.where(keep, known, row[1:]), np.where(keep, times_RT[old], times)
            row[0] = max(at, values_R[old, 0])
            del ids[old]
            values_R, times_RT = np.delete(values_R, old, axis=0), np.delete(times_RT, old, axis=0)
        # The newest first, and of equal times the one that came last.
        place = int(np.searchsorted(-values_R[:, 0], -row[0], side="left"))
        ids.insert(place, item_id)
        values_R = np.concatenate((values_R[:place], row[None], values_R[place:]))
        for dropped, (dropped_at, *dropped_labels) in zip(ids[RECENT:], values_R[RECENT:].tolist(), strict=True):
            self.older_N = remember(self.older_N, dropped, dropped_at, dropped_labels)
        del ids[RECENT:]
        self.recent_R = values_R[:RECENT]
        self.label_times_RT = np.concatenate((times_RT[:place], times[None], times_RT[place:]))[:RECENT]


@dataclass(kw_only=True, slots=True)
class ItemRow:
    """What users have done with one item; `offsets` holds, by partition of the event log, the last offset included."""

    item_id: str
    counters_CH: NDArray[np.float64]
    first_at: float = 0.0
    updated_at: float = 0.0
    log: int = 0
    offsets: dict[int, int] = field(default_factory=dict)
    audience_AC: NDArray[np.float64]
    """Its latest users, in order of time: alias, Unix seconds, then a label for each task (NaN where unknown)."""
    deleted_micros: int = 0
    """When the item was last deleted, Unix microseconds: actions of then or before are not folded any more."""

    def audience(self) -> Audience:
        """What is published of its users."""
        return audience_of(self.audience_AC, self.counters_CH[2:])

    def erase(self, deleted_at: float) -> bool:
        """Empties the row of all but its position; False if it has been erased as of then before."""
        micros = round(1e6 * deleted_at)
        if micros <= self.deleted_micros:
            return False
        self.deleted_micros = micros
        self.counters_CH = np.zeros_like(self.counters_CH)
        self.audience_AC = self.audience_AC[:0]
        self.first_at = self.updated_at = 0.0
        return True

    @classmethod
    def empty(cls, item_id: str, vocabulary: Vocabulary) -> "ItemRow":
        return cls(
            item_id=item_id,
            counters_CH=np.zeros((len(vocabulary.counters), len(HALF_LIFE_NAMES))),
            audience_AC=np.empty((0, 2 + len(vocabulary.tasks))),
        )
