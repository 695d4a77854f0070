"""Made-up catalogue, users and model that the server is measured with: the sizes are real, the contents random."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from feature_repo.counters import HALF_LIFE_NAMES
from feature_repo.rows import ItemRow, UserRow
from feature_repo.vocabulary import AUDIENCE, RECENT, Vocabulary
from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1.catalogue_pb2 import Item
from headwater.v1.recommender_pb2 import ScoreRequest
from training.model import ModelConfig, Recommender

__all__ = ["ServingCatalogue"]

_DAY = 86_400.0
_CATEGORIES = 20


@dataclass(frozen=True, kw_only=True)
class ServingCatalogue:
    """Items and users by number. Every user has a full history, and every item has text and counters: the most work there is."""

    vocabulary: Vocabulary
    dimensions: int = 384
    items: int = 10_000
    users: int = 1_000
    seed: int = 0

    @cached_property
    def item_ids(self) -> list[str]:
        return [f"item-{number}" for number in range(self.items)]

    @cached_property
    def vectors_MD(self) -> NDArray[np.float32]:
        """Text vectors of all items, of length one."""
        made = np.random.default_rng(self.seed).standard_normal((self.items, self.dimensions), dtype=np.float32)
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made

    def model(self) -> Recommender:
        """A model of the default sizes; what it costs to score does not depend on what it has learned."""
        return Recommender(ModelConfig(text_dimension=self.dimensions), self.vocabulary)

    def item(self, number: int) -> Item:
        item = Item(item_id=self.item_ids[number], type="article", title=f"Title of item {number}")
        item.categories.extend((f"category {number % _CATEGORIES}", f"category {number // 7 % _CATEGORIES}"))
        item.published_at.FromSeconds(int(time.time() - _DAY * (number % 400)))
        return item

    def contents(self, encoder_version: str) -> Iterator[ItemContent]:
        """The catalogue as the catalogue worker publishes it."""
        for number in range(self.items):
            vector = self.vectors_MD[number].astype("<f4").tobytes()
            yield ItemContent(item=self.item(number), vector=vector, encoder_version=encoder_version)

    def item_rows(self) -> Iterator[ItemRow]:
        """What users did with each item, as the item agent writes it."""
        random, now = np.random.default_rng(self.seed + 1), time.time()
        for item_id in self.item_ids:
            yield ItemRow(
                item_id=item_id,
                counters_CH=self.counters(random, 100.0),
                audience_AC=self._audience(random, now),
                first_at=now - 30 * _DAY,
                updated_at=now - random.random() * _DAY,
                log=1,
                offsets={0: 1},
            )

    def _audience(self, random: np.random.Generator, now: float) -> NDArray[np.float64]:
        """As many users as an item remembers, each with all labels."""
        aliases, times = random.integers(1, 2**32, AUDIENCE), now - np.sort(random.random(AUDIENCE))[::-1] * 30 * _DAY
        return np.column_stack((aliases, times, random.integers(0, 2, (AUDIENCE, len(self.vocabulary.tasks)))))

    def user_rows(self) -> Iterator[UserRow]:
        """A row for each user, whose history is full."""
        random, now = np.random.default_rng(self.seed + 2), time.time()
        tasks = len(self.vocabulary.tasks)
        for number in range(self.users):
            at = now - random.random() * _DAY
            recent = random.choice(self.items, size=min(RECENT, self.items), replace=False)
            labels = random.integers(0, 2, size=(len(recent), tasks)).astype(np.float64)
            times = at - np.sort(random.random(len(recent))) * 30 * _DAY
            yield UserRow(
                user_id=self.user_id(number),
                counters_CH=self.counters(random, 50.0),
                first_at=at - 30 * _DAY,
                updated_at=at,
                log=1,
                partition=0,
                offset=number,
                recent_ids=[self.item_ids[item] for item in recent],
                recent_R=np.column_stack((times, labels)),
                label_times_RT=np.repeat(times[:, None], tasks, axis=1),
            )

    def user_id(self, number: int) -> str:
        return f"user-{number % self.users}"

    def score_requests(self, candidates: int, count: int) -> list[bytes]:
        """Requests of random users and items, on the wire already, so that sending them costs the client next to nothing."""
        random = np.random.default_rng(self.seed + 3)
        return [
            ScoreRequest(user_id=self.user_id(number), item_ids=self._draw(random, candidates)).SerializeToString()
            for number in range(count)
        ]

    def _draw(self, random: np.random.Generator, size: int) -> Sequence[str]:
        return [self.item_ids[number] for number in random.choice(self.items, size=size, replace=False)]

    def counters(self, random: np.random.Generator, scale: float) -> NDArray[np.float64]:
        """Counters by half-life, (C, H): more over longer ones, and labels summing up to less than the observations."""
        tasks = len(self.vocabulary.tasks)
        total = scale * (1.0 + random.random())
        share_C = np.concatenate(([1.0, 0.5], np.full(tasks, 0.9), 0.5 * random.random(tasks)))
        share_H = np.linspace(0.1, 1.0, len(HALF_LIFE_NAMES))
        return total * np.outer(share_C, share_H)
