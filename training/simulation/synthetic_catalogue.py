"""Owns what a synthetic world is made of: types of items, how they are called, and what is done with them at which rates."""

import math
import tomllib
from pathlib import Path

import msgspec

__all__ = ["NEWSROOM", "Deed", "ItemKind", "World", "WorldError", "load_world"]


class WorldError(ValueError):
    """A world file that cannot be used; the message says which one and what to change."""


class Deed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may follow once an item is opened. At most one of seconds, fraction and amount says what its value is."""

    event: str
    """`read`, `purchase` or the name of an action."""
    chance: float = 1.0
    """Of a user of middling taste, where the item was opened."""
    seconds: float | None = None
    """Median time of a user of middling taste; times are log-normal."""
    fraction: float | None = None
    """Median share, 0 to 1, that a user of middling taste gets through."""
    amount: float | None = None
    """Median price; each item has its own."""

    def __post_init__(self) -> None:
        _check_chance(self.event, "chance", self.chance, highest=1.0)
        if sum(value is not None for value in (self.seconds, self.fraction, self.amount)) > 1:
            raise ValueError(f"{self.event}: give one of seconds, fraction and amount")
        if (self.event == "read") != (self.seconds is not None) or (self.event == "purchase") != (self.amount is not None):
            raise ValueError(f"{self.event}: `read` goes with seconds, `purchase` with amount, actions with neither")
        if self.fraction is not None:
            _check_chance(self.event, "fraction", self.fraction)


class ItemKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One type of item."""

    share: float
    """Of all items, as a weight beside the other types'."""
    opened: str = "click"
    """The event that follows an impression: click, or the name of an action such as play."""
    chance: float
    """That a user of middling taste opens it when it is shown."""
    ageing: float = 0.0
    """How much the log of its age in days takes from the log-odds of opening it."""
    titles: tuple[str, ...]
    """Patterns of titles; {0} and {1} are words of its first topic, {2} is one of its second."""
    titles_zh: tuple[str, ...] = ()
    """The same in Chinese."""
    deeds: tuple[Deed, ...] = ()

    def __post_init__(self) -> None:
        _check_chance(self.opened, "chance", self.chance)
        if not self.titles or self.share <= 0:
            raise ValueError("an item type needs a positive share and at least one title")


class World(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Types of items by name."""

    types: dict[str, ItemKind]
    chinese: float = 0.0
    """Fraction of the items whose title is Chinese."""

    def __post_init__(self) -> None:
        if not self.types:
            raise ValueError("declare at least one type of item, such as [types.article]")
        if not 0 <= self.chinese <= 1:
            raise ValueError(f"chinese: {self.chinese} is no fraction from 0 to 1")
        if self.chinese and (bare := [name for name, kind in self.types.items() if not kind.titles_zh]):
            raise ValueError(f"chinese: {', '.join(bare)} has no titles_zh")

    @property
    def events(self) -> tuple[str, ...]:
        """All events that can follow an impression, each once."""
        kinds = self.types.values()
        return tuple(dict.fromkeys([*(kind.opened for kind in kinds), *(deed.event for kind in kinds for deed in kind.deeds)]))


def load_world(path: Path) -> World:
    """The world that a TOML file declares; raises WorldError."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), World)
    except OSError as error:
        raise WorldError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise WorldError(f"{path}: cannot be read ({error}); save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise WorldError(f"{path}: {error}") from error


def _check_chance(event: str, name: str, value: float, *, highest: float = math.nextafter(1.0, 0.0)) -> None:
    if not 0 < value <= highest:
        raise ValueError(f"{event}: {name} is {value}; give a number above 0 and {'up to' if highest == 1 else 'below'} 1")


NEWSROOM = World(
    chinese=0.15,
    types={
        "article": ItemKind(
            share=0.5,
            chance=0.168,
            ageing=0.6,
            titles=(
                "How {0} changed {1} this week",
                "What we learned about {0} and {1}",
                "{0}, {1} and {2}: a report",
                "Why {0} needs {1}",
            ),
            titles_zh=("本周{0}与{1}的变化", "关于{0}和{1}我们知道什么", "{0}、{1}与{2}报道"),
            deeds=(Deed(event="read", seconds=54.0),),
        ),
        "product": ItemKind(
            share=0.35,
            chance=0.119,
            titles=("{0} set with {1}", "The {0} and {1} kit", "Compact {0} for {1}", "{0} bundle: {1}, {2}"),
            titles_zh=("{0}{1}套装", "轻便{0}配{1}", "{0}与{1}组合"),
            deeds=(Deed(event="purchase", chance=0.231, amount=20.0),),
        ),
        "ad": ItemKind(
            share=0.15,
            chance=0.047,
            titles=("Save on {0} today", "{0} and {1} at half price", "New here: {0}", "Everything for {0} and {1}"),
            titles_zh=("今日{0}特惠", "{0}和{1}半价", "新品{0}上市"),
            deeds=(Deed(event="purchase", chance=0.119, amount=20.0),),
        ),
    },
)
"""A newsroom with a shop: what `headwater simulate` makes unless told otherwise."""
