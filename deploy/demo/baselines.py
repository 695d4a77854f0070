"""Two baselines that the demo's quality stands beside, predicted and then updated event by event."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from deploy.demo.movielens import Rating

__all__ = ["ItemMean", "UserItemMean", "progressive"]

_PRIOR = 5.0
"""Ratings equal to the mean above that an item or a user starts with."""


class _Baseline(Protocol):
    def predict(self, rating: Rating) -> float: ...
    def learn(self, rating: Rating, value: float) -> None: ...


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    count: int = 0

    def toward(self, prior: float) -> float:
        return (self.total + _PRIOR * prior) / (self.count + _PRIOR)

    def learn(self, value: float) -> None:
        self.total += value
        self.count += 1


@dataclass(slots=True)
class ItemMean:
    """The item's running mean, shrunk toward that of all."""

    _all: _Mean = field(default_factory=_Mean)
    _items: defaultdict[str, _Mean] = field(default_factory=lambda: defaultdict(_Mean))

    def predict(self, rating: Rating) -> float:
        """Expected value before the rating is known."""
        mean = self._all.total / self._all.count if self._all.count else 0.0
        return self._items[rating.item_id].toward(mean)

    def learn(self, rating: Rating, value: float) -> None:
        """Counts the rating's value in."""
        self._all.learn(value)
        self._items[rating.item_id].learn(value)


@dataclass(slots=True)
class UserItemMean:
    """The item's running mean plus the user's running bias: the mean, shrunk toward 0, of the user's values less their item's."""

    _item_mean: ItemMean = field(default_factory=ItemMean)
    _biases: defaultdict[str, _Mean] = field(default_factory=lambda: defaultdict(_Mean))

    def predict(self, rating: Rating) -> float:
        """Expected value before the rating is known."""
        return self._item_mean.predict(rating) + self._biases[rating.user_id].toward(0.0)

    def learn(self, rating: Rating, value: float) -> None:
        """Counts the rating's value in."""
        self._biases[rating.user_id].learn(value - self._item_mean.predict(rating))
        self._item_mean.learn(rating, value)


def progressive(ratings: Iterable[Rating], at_least: float) -> dict[str, dict[str, list[float]]]:
    """Predictions of each baseline, each made before its rating was learned.

    Returns:
        by baseline and task (`like`: at least `at_least` stars; `stars`): one prediction a rating, in order.
    """
    kinds: dict[str, tuple[_Baseline, _Baseline]] = {
        "item_mean": (ItemMean(), ItemMean()),
        "user_item_mean": (UserItemMean(), UserItemMean()),
    }
    out: dict[str, dict[str, list[float]]] = {name: {"like": [], "stars": []} for name in kinds}
    for rating in ratings:
        like, stars = float(rating.stars >= at_least), float(rating.stars)
        for name, (like_model, stars_model) in kinds.items():
            out[name]["like"].append(like_model.predict(rating))
            out[name]["stars"].append(stars_model.predict(rating))
            like_model.learn(rating, like)
            stars_model.learn(rating, stars)
    return out
