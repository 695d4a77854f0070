"""Section on encoders: whether titles of one subject are neighbours, in English, in Chinese and across the two."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.encoding.encoder import EncoderConfig, TextEncoder

__all__ = ["SUBJECTS", "judge", "measure"]

SUBJECTS: tuple[tuple[str, str, str, str], ...] = (
    (
        "Striker scores three in the cup final",
        "Football club signs a goalkeeper",
        "前锋在决赛中连进三球",
        "足球俱乐部签下门将",
    ),
    ("Central bank lowers interest rates", "Stock markets fall as inflation rises", "央行宣布下调利率", "通胀上升导致股市下跌"),
    (
        "Astronomers find a new planet",
        "Telescope sees a distant galaxy",
        "天文学家发现新行星",
        "望远镜拍到遥远的星系",
    ),
    ("How to bake rye bread at home", "A simple recipe for tomato soup", "在家烤面包的方法", "简单的番茄汤食谱"),
    (
        "Storm closes roads along the coast",
        "Heavy rain and wind tonight",
        "台风导致沿海道路封闭",
        "今晚有暴雨和大风",
    ),
    (
        "Phone with a longer-lasting battery",
        "Laptop with a faster chip presented",
        "手机电池更耐用",
        "笔记本电脑换上更快的芯片",
    ),
    ("Doctors advise more sleep", "Walking is good for the heart, study says", "医生建议增加睡眠", "研究称散步有益心脏"),
    ("Violinist plays in the concert hall", "Band releases a new album", "小提琴家在音乐厅演出", "乐队发布新专辑"),
)
"""Made for this: two titles of each subject in English, then the same two in Chinese; no two share a telling word."""


def measure(configs: Mapping[str, EncoderConfig], *, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything of this section, ready for JSON: each encoder with mean and last-token pooling, as it is and centred."""
    found: dict[str, Any] = {"titles": 4 * len(SUBJECTS), "encoders": {}}
    for name, config in configs.items():
        say(name)
        variants = found["encoders"][name] = {}
        for pooling in ("mean", "last"):
            pooled = replace(config, pooling=pooling)
            variants[pooling] = judge(TextEncoder(pooled))
            variants[f"{pooling}, centred"] = judge(_centred(pooled))
        half = _encoded(TextEncoder(replace(config, dtype="bfloat16")))
        variants["mean"]["cosine_of_bfloat16"] = float((half * _encoded(TextEncoder(config))).sum(axis=2).min())
    return found


def judge(encoder: TextEncoder) -> dict[str, float]:
    """Shares of titles whose nearest is the other of its subject, or its translation; and how alike unlike titles are."""
    vectors_S4D = _encoded(encoder)
    english, chinese = (vectors_S4D[:, side].reshape(-1, vectors_S4D.shape[2]) for side in (slice(0, 2), slice(2, 4)))
    unlike = ~np.kron(np.eye(len(SUBJECTS), dtype=bool), np.ones((2, 2), dtype=bool))
    return {
        "english": _right(english @ english.T),
        "chinese": _right(chinese @ chinese.T),
        "across": float(np.mean((chinese @ english.T).argmax(axis=1) == np.arange(len(english)))),
        "cosine_of_unlike": float((english @ english.T)[unlike].mean()),
    }


def _right(cosines_NN: NDArray[np.float32]) -> float:
    """Share of titles, two of each subject in turn, whose nearest other one is its pair."""
    others = np.where(np.eye(len(cosines_NN), dtype=bool), -np.inf, cosines_NN)
    return float(np.mean(others.argmax(axis=1) == (np.arange(len(cosines_NN)) ^ 1)))


def _encoded(encoder: TextEncoder) -> NDArray[np.float32]:
    """(S, 4, D)."""
    return encoder.encode([title for subject in SUBJECTS for title in subject]).reshape(len(SUBJECTS), 4, -1)


def _centred(config: EncoderConfig) -> TextEncoder:
    """The encoder less the mean of these titles, by the setting that deployments use."""
    with TemporaryDirectory() as directory:
        centre = Path(directory) / "centre.npy"
        np.save(centre, _encoded(TextEncoder(config)).mean(axis=(0, 1)))
        encoder = TextEncoder(replace(config, centre=centre))
        encoder.encode(["loads the centre while its file is there"])
    return encoder
