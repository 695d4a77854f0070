"""Owns the synthetic newsroom-and-shop: users with hidden tastes, items, and what they do, at rates that are known.

Nothing in it is taken from real people. It serves to measure how near predictions come to an oracle, which real data lacks.
"""

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protos.catalogue_pb2 import CatalogueChange
from protos.events_pb2 import Event
from training.simulation_titles import TOPICS, make_title

__all__ = ["Newsroom", "NewsroomConfig", "Truth"]

_DAY = 86_400.0
_SHARES = {"article": 0.5, "product": 0.35, "ad": 0.15}
_CLICK = {"article": -1.6, "product": -2.0, "ad": -3.0}
_BUY = {"product": -1.2, "ad": -2.0}
_TASTE, _SECOND = 1.0, 0.3
_LOG_SECONDS, _LOG_SECONDS_PER_TASTE, _LOG_SECONDS_SPREAD = 4.0, 0.5, 0.6
_AGEING = 0.6  # how much a log day of age takes from an article's click


@dataclass(frozen=True, kw_only=True, slots=True)
class NewsroomConfig:
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
    """Fraction of the days after which every user has a taste drawn anew; 1 for never."""
    chinese: float = 0.15
    """Fraction of the items whose title is Chinese."""

    def __post_init__(self) -> None:
        if min(self.users, self.items, self.shown) < 1 or not (self.days > 0 and self.sessions_per_day > 0):
            raise ValueError(f"NewsroomConfig: users, items, shown, days and sessions_per_day must be positive, got {self}")
        if not (0 <= self.shift_at <= 1 and 0 <= self.chinese <= 1):
            raise ValueError(f"NewsroomConfig: shift_at and chinese are fractions from 0 to 1, got {self}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """What an oracle would predict of one impression."""

    click: float
    """Probability of a click."""
    purchase: float
    """Probability of a purchase; it takes a click first."""
    log_read_seconds: float
    """Expected log1p of the seconds read after a click; NaN where the item is not read."""


class Newsroom:
    """One world, drawn from `rng`; it shows items at random, so that no earlier model shapes what is seen."""

    def __init__(self, config: NewsroomConfig, rng: np.random.Generator) -> None:
        self.config, self._rng = config, rng
        size, topics = config.items, len(TOPICS)
        self.types: list[str] = rng.choice(list(_SHARES), size=size, p=list(_SHARES.values())).tolist()
        self.topics_I2: NDArray[np.int64] = np.argsort(rng.random((size, topics)), axis=1)[:, :2]
        self._appeal_I = rng.normal(scale=0.5, size=size)
        self._price_I = np.round(np.exp(rng.normal(3.0, 0.7, size=size)), 2)
        # Half is there at the start, aged up to a month; the rest is published while the world is watched.
        offsets_I = np.where(rng.random(size) < 0.5, -30.0 * rng.random(size), config.days * rng.random(size))
        self.published_I: NDArray[np.float64] = np.sort(np.round(config.begins_at + _DAY * offsets_I))
        self._chinese_I = rng.random(size) < config.chinese
        self._tastes_2UK = rng.normal(size=(2, config.users, topics))

    @property
    def shift_at(self) -> float:
        """When every taste turns, Unix seconds."""
        return self.config.begins_at + self.config.shift_at * self.config.days * _DAY

    def catalogue(self) -> Iterator[CatalogueChange]:
        """All items, in order of publication. Titles are drawn here: call it once, before `events`."""
        for item in range(self.config.items):
            first, second = (TOPICS[topic] for topic in self.topics_I2[item])
            chinese = bool(self._chinese_I[item])
            change = CatalogueChange()
            change.occurred_at.seconds = int(self.published_I[item])
            change.upsert.item_id = f"item-{item}"
            change.upsert.type = self.types[item]
            change.upsert.title = make_title(self.types[item], (first, second), chinese=chinese, rng=self._rng)
            change.upsert.categories.append(first)
            change.upsert.language = "zh" if chinese else "en"
            change.upsert.published_at.seconds = int(self.published_I[item])
            change.upsert.attributes["synthetic"] = "true"
            yield change

    def truth(self, user: int, item: int, at: float) -> Truth:
        """The true rates when `item` is shown to `user` at `at` (Unix seconds)."""
        kind, (first, second) = self.types[item], self.topics_I2[item]
        taste_K = self._tastes_2UK[int(at >= self.shift_at), user]
        liking = _TASTE * (taste_K[first] + _SECOND * taste_K[second])
        age = _AGEING * math.log1p(max(at - self.published_I[item], 0.0) / _DAY) if kind == "article" else 0.0
        click = _sigmoid(_CLICK[kind] + liking + self._appeal_I[item] - age)
        buy = _sigmoid(_BUY[kind] + 0.7 * liking) if kind in _BUY else 0.0
        seconds = _LOG_SECONDS + _LOG_SECONDS_PER_TASTE * liking if kind == "article" else math.nan
        return Truth(click=click, purchase=click * buy, log_read_seconds=seconds)

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

        def event(what: str, when: float) -> Event:
            made = Event(event_id=f"{list_id}-{place}-{what}", user_id=f"user-{user}", item_id=f"item-{item}")
            made.recommendation_id = list_id
            made.occurred_at.FromMicroseconds(round(when * 1e6))
            return made

        shown = event("shown", at)
        shown.impression.position = place
        yield at, shown, truth
        if rng.random() >= truth.click:
            return
        clicked_at = at + 2.0 + rng.exponential(20.0)
        clicked = event("click", clicked_at)
        clicked.click.SetInParent()
        yield clicked_at, clicked, None
        if not math.isnan(truth.log_read_seconds):
            seconds = math.expm1(max(rng.normal(truth.log_read_seconds, _LOG_SECONDS_SPREAD), 0.0))
            read = event("read", clicked_at + seconds)
            read.read.seconds = round(seconds, 3)
            yield clicked_at + seconds, read, None
        if rng.random() < truth.purchase / truth.click:
            bought_at = clicked_at + 30.0 + rng.exponential(120.0)
            bought = event("purchase", bought_at)
            bought.purchase.amount = float(self._price_I[item])
            bought.purchase.currency = "EUR"
            yield bought_at, bought, None


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
