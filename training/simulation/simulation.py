"""Synthetic worlds at work: users with hidden tastes, items, and what users do with them, at rates that are known.

Nothing in it is taken from real people. It serves to measure how near predictions come to an oracle, which real data lacks.
"""

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from training.simulation.synthetic_catalogue import NEWSROOM, TOPICS, ItemActionRate, SyntheticCatalogue, make_title

__all__ = ["Simulation", "SimulationConfig", "Truth"]

_DAY = 86_400.0
_TASTE, _SECOND, _ACTION_TASTE = 1.0, 0.3, 0.7
_LOG_SECONDS_PER_TASTE, _LOG_SECONDS_SPREAD, _FRACTION_SPREAD = 0.5, 0.6, 0.7


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationConfig:
    """How large the world is, how long it is watched, and when taste turns."""

    users: int = 300
    items: int = 800
    days: float = 14.0
    sessions_per_day: float = 1.5
    """Of each user, on average."""
    shown: int = 8
    """Items in each session's list."""
    begins_at: float = 1_700_000_000.0
    """Unix seconds."""
    shift_at: float = 0.6
    """Fraction of the days after which every user's taste is drawn again; 1 for never."""

    def __post_init__(self) -> None:
        if min(self.users, self.items, self.shown) < 1 or not (self.days > 0 and self.sessions_per_day > 0):
            raise ValueError(f"SimulationConfig: users, items, shown, days and sessions_per_day must be positive, got {self}")
        if not 0 <= self.shift_at <= 1:
            raise ValueError(f"SimulationConfig: shift_at is a fraction from 0 to 1, got {self}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """What an oracle would predict of one impression."""

    chances: Mapping[str, float]
    """Probability of each event of the world after this impression; one that cannot follow has 0."""
    log_read_seconds: float
    """Expected log1p of the seconds read once it is opened; NaN where the item is not read."""


class Simulation:
    """One world at work, drawn from `rng`; it shows items at random, so that no earlier model shapes what is seen."""

    def __init__(self, config: SimulationConfig, rng: np.random.Generator, synthetic: SyntheticCatalogue = NEWSROOM) -> None:
        self.config, self.synthetic, self._rng = config, synthetic, rng
        size, topics = config.items, len(TOPICS)
        shares = np.array([kind.share for kind in synthetic.types.values()])
        self.types: list[str] = rng.choice(list(synthetic.types), size=size, p=shares / shares.sum()).tolist()
        self.topics_I2: NDArray[np.int64] = np.argsort(rng.random((size, topics)), axis=1)[:, :2]
        self._appeal_I = rng.normal(scale=0.5, size=size)
        self._dearness_I = np.exp(rng.normal(0.0, 0.7, size=size))
        # Half is there at the start, aged up to a month; the rest is published while the world is watched.
        offsets_I = np.where(rng.random(size) < 0.5, -30.0 * rng.random(size), config.days * rng.random(size))
        self.published_I: NDArray[np.float64] = np.sort(np.round(config.begins_at + _DAY * offsets_I))
        self._chinese_I = rng.random(size) < synthetic.chinese
        self._tastes_2UK = rng.normal(size=(2, config.users, topics))

    @property
    def shift_at(self) -> float:
        """When every taste turns, Unix seconds."""
        return self.config.begins_at + self.config.shift_at * self.config.days * _DAY

    def catalogue(self) -> Iterator[CatalogueChange]:
        """All items, in order of publication. Titles are drawn here: call it once, before `events`."""
        for item in range(self.config.items):
            first, second = (TOPICS[topic] for topic in self.topics_I2[item])
            chinese, kind = bool(self._chinese_I[item]), self.synthetic.types[self.types[item]]
            change = CatalogueChange()
            change.occurred_at.seconds = int(self.published_I[item])
            change.upsert.item_id = f"item-{item}"
            change.upsert.type = self.types[item]
            patterns = kind.titles_zh if chinese else kind.titles
            change.upsert.title = make_title(patterns, (first, second), chinese=chinese, rng=self._rng)
            change.upsert.categories.append(first)
            change.upsert.language = "zh" if chinese else "en"
            change.upsert.published_at.seconds = int(self.published_I[item])
            change.upsert.attributes["synthetic"] = "true"
            yield change

    def truth(self, user: int, item: int, at: float) -> Truth:
        """The true rates when `item` is shown to `user` at `at` (Unix seconds)."""
        kind, liking = self.synthetic.types[self.types[item]], self._liking(user, item, at)
        age = kind.ageing * math.log1p(max(at - self.published_I[item], 0.0) / _DAY)
        opened = _sigmoid(_logit(kind.chance) + liking + self._appeal_I[item] - age)
        actions = {action.event: opened * _action_chance(action, liking) for action in kind.actions}
        seconds = next((_log_seconds(action, liking) for action in kind.actions if action.seconds is not None), math.nan)
        return Truth(
            chances={**dict.fromkeys(self.synthetic.events, 0.0), kind.opened: opened, **actions}, log_read_seconds=seconds
        )

    def _liking(self, user: int, item: int, at: float) -> float:
        first, second = self.topics_I2[item]
        taste_K = self._tastes_2UK[int(at >= self.shift_at), user]
        return float(_TASTE * (taste_K[first] + _SECOND * taste_K[second]))

    def events(self) -> Iterator[tuple[Event, Truth | None]]:
        """What is shown and done, in order of event time; an impression comes with its truth."""
        waiting: list[tuple[float, int, Event, Truth | None]] = []
        order = itertools.count()
        for at, user, session in self._sessions():
            while waiting and waiting[0][0] <= at:
                yield heapq.heappop(waiting)[2:]
            for place, item in enumerate(self._listed(at)):
                for when, event, truth in self._shown(user, item, at + 0.001 * place, f"sim-{session}", place):
                    heapq.heappush(waiting, (when, next(order), event, truth))
        while waiting:
            yield heapq.heappop(waiting)[2:]

    def _sessions(self) -> Iterator[tuple[float, int, int]]:
        at, config, session = self.config.begins_at, self.config, 0
        while True:
            # All users' visits together are one Poisson process; evenings are three times as busy as nights.
            at += self._rng.exponential(_DAY / (config.sessions_per_day * config.users * 1.5))
            if at >= config.begins_at + config.days * _DAY:
                return
            if self._rng.random() < (1.0 + 0.5 * math.sin(2 * math.pi * (at % _DAY) / _DAY - 2.0)) / 1.5:
                session += 1
                yield at, int(self._rng.integers(config.users)), session

    def _listed(self, at: float) -> list[int]:
        published = int(np.searchsorted(self.published_I, at, side="right"))
        size = min(self.config.shown, published)
        listed: list[int] = self._rng.choice(published, size=size, replace=False).tolist()
        return listed

    def _shown(self, user: int, item: int, at: float, list_id: str, place: int) -> Iterator[tuple[float, Event, Truth | None]]:
        truth, rng = self.truth(user, item, at), self._rng
        kind, liking = self.synthetic.types[self.types[item]], self._liking(user, item, at)

        def event(what: str, when: float) -> Event:
            made = Event(event_id=f"{list_id}-{place}-{what}", user_id=f"user-{user}", item_id=f"item-{item}")
            made.recommendation_id = list_id
            made.occurred_at.FromMicroseconds(round(when * 1e6))
            return made

        shown = event("shown", at)
        shown.impression.position = place
        yield at, shown, truth
        if rng.random() >= truth.chances[kind.opened]:
            return
        opened_at = at + 2.0 + rng.exponential(20.0)
        opened = event(kind.opened, opened_at)
        _fill(opened, kind.opened, None)
        yield opened_at, opened, None
        for action in kind.actions:
            if rng.random() < _action_chance(action, liking):
                value = self._value(action, item, liking)
                done_at = opened_at + (
                    value if action.seconds is not None and value is not None else 30.0 + rng.exponential(120.0)
                )
                done = event(action.event, done_at)
                _fill(done, action.event, value)
                yield done_at, done, None

    def _value(self, action: ItemActionRate, item: int, liking: float) -> float | None:
        if action.seconds is not None:
            return round(math.expm1(max(self._rng.normal(_log_seconds(action, liking), _LOG_SECONDS_SPREAD), 0.0)), 3)
        if action.fraction is not None:
            return round(_sigmoid(_logit(action.fraction) + liking + self._rng.normal(scale=_FRACTION_SPREAD)), 3)
        return None if action.amount is None else round(float(action.amount * self._dearness_I[item]), 2)


def _action_chance(action: ItemActionRate, liking: float) -> float:
    return 1.0 if action.chance == 1.0 else _sigmoid(_logit(action.chance) + _ACTION_TASTE * liking)


def _log_seconds(action: ItemActionRate, liking: float) -> float:
    return math.log1p(action.seconds or 0.0) + _LOG_SECONDS_PER_TASTE * liking


def _fill(event: Event, what: str, value: float | None) -> None:
    if what == "click":
        event.click.SetInParent()
    elif what == "read":
        event.read.seconds = value or 0.0
    elif what == "purchase":
        event.purchase.amount, event.purchase.currency = value or 0.0, "EUR"
    else:
        event.action.name = what
        if value is not None:
            event.action.value = value


def _logit(chance: float) -> float:
    return math.log(chance / (1.0 - chance))


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
