"""Owns the words of synthetic worlds: topics, and titles made of them in English and Chinese."""

from collections.abc import Sequence

import numpy as np

__all__ = ["TOPICS", "make_title"]

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
