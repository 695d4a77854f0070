"""Impressions of items that a user did not turn to, sampled where the data does not say what was passed over.

What is drawn must differ from what was chosen by the choice alone. So an item is drawn only once it exists, by how often it had
been chosen until then, and no list is made for a choice that could not have been drawn itself.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import replace

from deploy.dataset.timeline import VISIT_SECONDS
from feature_repo.decoded_event import IMPRESSION, DecodedEvent

__all__ = ["SampledImpressions"]

_TRIES = 20
_FIRST = 100
_LATER = 1.3
"""The shape is fitted to the first hundred actions, and again whenever there are so many times as many."""
_BY_CHANCE = 2.0
"""Standard errors of the variance that are put down to chance."""


class SampledImpressions:
    """Makes lists for actions that come in order of time.

    An item exists from its date of publication, or where the catalogue has none from the first action on it. It is drawn in
    proportion to (k + actions until then) ** power (Mikolov et al., 2013, section 2.2, with power 3/4). Counts differ by chance,
    too: k is the shape of the gamma distribution of popularities that explains what is left of their variance (negative binomial,
    by moments). It is small where few items take most, and so large where all are chosen alike that all are drawn alike.
    """

    def __init__(self, *, power: float, published_at: Mapping[str, float], rng: random.Random) -> None:
        """Args: `published_at` by item, Unix seconds, for those whose date is known."""
        self._power, self._rng = power, rng
        self._upcoming = sorted(((at, item_id) for item_id, at in published_at.items()), reverse=True)
        self._published_at = published_at
        self._weights = _WeightedItems()
        self._counts: dict[str, int] = {}
        self._actions = self._squares = 0
        self._shape, self._due = 1.0, _FIRST
        self._done: set[tuple[str, str, str]] = set()
        self._shown_at: dict[tuple[str, str], float] = {}
        self.without_list = 0
        """Actions for which no list could be made: the first on an item without a date, or one that the user repeated."""

    def before(self, event: DecodedEvent, count: int) -> list[DecodedEvent]:
        """The impressions of an action: its item among `count` others or fewer; none where one list serves what follows soon."""
        self._publish(event.at)
        pair, deed = (event.user_id, event.item_id), (event.user_id, event.kind, event.item_id)
        repeated, known = deed in self._done, event.item_id in self._counts
        self._done.add(deed)
        shown: list[str] = []
        if event.at - self._shown_at.get(pair, -math.inf) >= VISIT_SECONDS:
            if known and not repeated:
                shown = [event.item_id, *self._others(event, count)]
            if len(shown) > 1:
                self._shown_at[pair] = event.at
            else:
                shown, self.without_list = [], self.without_list + 1
        self._count(event.item_id)
        self._rng.shuffle(shown)  # a place of its own in the list would give away which one was chosen
        list_id = event.recommendation_id or f"{event.event_id}#list"
        return [
            replace(
                event,
                event_id=f"{event.event_id}#shown{place}",
                item_id=item_id,
                kind=IMPRESSION,
                value=None,
                recommendation_id=list_id,
            )
            for place, item_id in enumerate(shown)
        ]

    def _others(self, event: DecodedEvent, count: int) -> list[str]:
        found: dict[str, None] = {}
        for _ in range(_TRIES * count):
            item_id = self._weights.draw(self._rng)
            if item_id != event.item_id and (event.user_id, event.kind, item_id) not in self._done:
                found[item_id] = None
            if len(found) == count:
                break
        return list(found)

    def _publish(self, now: float) -> None:
        while self._upcoming and self._upcoming[-1][0] <= now:
            _, item_id = self._upcoming.pop()
            if item_id not in self._counts:
                self._counts[item_id] = 0
                self._weights.add(item_id, self._weight(0))

    def _count(self, item_id: str) -> None:
        before = self._counts.get(item_id)
        after = self._counts[item_id] = (before or 0) + 1
        self._actions += 1
        self._squares += 2 * after - 1
        if self._actions >= self._due:
            self._due = math.ceil(_LATER * self._actions)
            self._shape = self._fitted()
            self._weights = _WeightedItems()
            for known, count in self._counts.items():
                self._weights.add(known, self._weight(count))
        else:
            self._weights.add(item_id, self._weight(after) - (0.0 if before is None else self._weight(before)))

    def _weight(self, count: int) -> float:
        return math.pow(1.0 + count / self._shape, self._power)

    def _fitted(self) -> float:
        """Shape of the distribution of popularities, infinite where counts vary by no more than chance."""
        items = len(self._counts)
        mean = self._actions / items
        more = self._squares / items - mean**2 - mean * (1.0 + _BY_CHANCE * math.sqrt(2.0 / items))
        return mean**2 / more if more > 0 else math.inf


class _WeightedItems:
    """Items drawn in proportion to weights that change: a tree of partial sums (Fenwick, 1994)."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._index: dict[str, int] = {}
        self._sums = [0.0]
        self._total = 0.0

    def add(self, item_id: str, weight: float) -> None:
        at = self._index.get(item_id)
        if at is None:
            self._ids.append(item_id)
            at = self._index[item_id] = len(self._ids)
            # A new node holds the sum of those just before it that it covers.
            covered, node = 0.0, at - 1
            while node > at - (at & -at):
                covered += self._sums[node]
                node -= node & -node
            self._sums.append(covered)
        self._total += weight
        while at < len(self._sums):
            self._sums[at] += weight
            at += at & -at

    def draw(self, rng: random.Random) -> str:
        left, at = rng.random() * self._total, 0
        step = 1 << (len(self._ids).bit_length() - 1)
        while step:
            if at + step < len(self._sums) and self._sums[at + step] <= left:
                at += step
                left -= self._sums[at]
            step >>= 1
        return self._ids[min(at, len(self._ids) - 1)]
