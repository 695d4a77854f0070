"""Synthetic catalogues: types of items, their titles, and the rates at which users act on them."""

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from runtime.errors import UserError

__all__ = [
    "NEWSROOM",
    "TOPICS",
    "ItemActionRate",
    "ItemKind",
    "SyntheticCatalogue",
    "SyntheticCatalogueError",
    "load_synthetic_catalogue",
    "make_title",
]

_WORDS: dict[str, tuple[str, str]] = {
    "astronomy": ("telescope comet galaxy lunar orbit nebula eclipse starlight", "望远镜 彗星 银河 月球 轨道 星云"),
    "cooking": ("recipe noodles oven garlic sourdough stew spices skillet", "食谱 面条 烤箱 大蒜 炖菜 香料"),
    "cycling": ("bicycle gravel pedal peloton saddle helmet climb sprint", "自行车 骑行 头盔 爬坡 车座 冲刺"),
    "finance": ("bonds inflation savings dividend mortgage market interest budget", "债券 通胀 储蓄 股息 房贷 市场"),
    "gardening": ("tomato seedling compost orchard roses pruning soil greenhouse", "番茄 幼苗 堆肥 果园 玫瑰 温室"),
    "gaming": ("console arcade dungeon multiplayer joystick quest speedrun puzzle", "主机 街机 地牢 联机 手柄 解谜"),
    "health": ("sleep vaccine posture vitamins heartbeat clinic allergy stretching", "睡眠 疫苗 维生素 心跳 诊所 过敏"),
    "music": ("guitar concert melody vinyl orchestra drummer chorus piano", "吉他 音乐会 旋律 黑胶 乐团 钢琴"),
    "parenting": ("toddler bedtime stroller playground nursery homework lullaby crayons", "幼儿 睡前 婴儿车 游乐场 作业 蜡笔"),
    "photography": ("camera lens portrait shutter darkroom exposure tripod panorama", "相机 镜头 人像 快门 曝光 三脚架"),
    "sailing": ("harbour yacht tide anchor regatta compass lighthouse rigging", "港口 帆船 潮汐 船锚 罗盘 灯塔"),
    "travel": ("passport hostel railway island backpack itinerary border sunrise", "护照 旅馆 铁路 海岛 背包 行程"),
}

TOPICS = tuple(_WORDS)


def make_title(patterns: Sequence[str], topics: tuple[str, str], *, chinese: bool, rng: np.random.Generator) -> str:
    """One of the patterns with two words of the first topic in {0} and {1} and one of the second in {2}.

    >>> make_title(["{0} and {1} at half price"], ("music", "travel"), chinese=False, rng=np.random.default_rng(0))
    'Drummer and piano at half price'
    """
    first, second = (_WORDS[topic][chinese].split() for topic in topics)
    words = (*rng.choice(first, size=2, replace=False).tolist(), str(rng.choice(second)))
    title = patterns[int(rng.integers(len(patterns)))].format(*words)
    return title[0].upper() + title[1:]


class SyntheticCatalogueError(UserError, ValueError):
    """A world file that cannot be used; the message says which one and what to change."""


class ItemActionRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    actions: tuple[ItemActionRate, ...] = ()

    def __post_init__(self) -> None:
        _check_chance(self.opened, "chance", self.chance)
        if not self.titles or self.share <= 0:
            raise ValueError("an item type needs a positive share and at least one title")


class SyntheticCatalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
        return tuple(
            dict.fromkeys([*(kind.opened for kind in kinds), *(action.event for kind in kinds for action in kind.actions)])
        )


def load_synthetic_catalogue(path: Path) -> SyntheticCatalogue:
    """The world that a TOML file declares; raises SyntheticCatalogueError."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), SyntheticCatalogue)
    except OSError as error:
        raise SyntheticCatalogueError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SyntheticCatalogueError(f"{path}: cannot be read ({error}); save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SyntheticCatalogueError(f"{path}: {error}") from error


def _check_chance(event: str, name: str, value: float, *, highest: float = math.nextafter(1.0, 0.0)) -> None:
    if not 0 < value <= highest:
        raise ValueError(f"{event}: {name} is {value}; give a number above 0 and {'up to' if highest == 1 else 'below'} 1")


NEWSROOM = SyntheticCatalogue(
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
            actions=(ItemActionRate(event="read", seconds=54.0),),
        ),
        "product": ItemKind(
            share=0.35,
            chance=0.119,
            titles=("{0} set with {1}", "The {0} and {1} kit", "Compact {0} for {1}", "{0} bundle: {1}, {2}"),
            titles_zh=("{0}{1}套装", "轻便{0}配{1}", "{0}与{1}组合"),
            actions=(ItemActionRate(event="purchase", chance=0.231, amount=20.0),),
        ),
        "ad": ItemKind(
            share=0.15,
            chance=0.047,
            titles=("Save on {0} today", "{0} and {1} at half price", "New here: {0}", "Everything for {0} and {1}"),
            titles_zh=("今日{0}特惠", "{0}和{1}半价", "新品{0}上市"),
            actions=(ItemActionRate(event="purchase", chance=0.119, amount=20.0),),
        ),
    },
)
"""A newsroom with a shop: what `headwater simulate` makes unless told otherwise."""
