"""Report of the figures on learning tasks together."""

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["Figures", "more", "part", "table", "verdict"]

_ALONE = "alone"
_NAMES = {
    "shared_bottom": "shared bottom",
    "mmoe": "MMoE",
    "shared_private": "shared and own networks",
    "separate": "separate networks",
}
_TOLERANCE = {"movielens": 0.2, "newsroom": 2.0, "newsroom_rare": 2.0}
"""Percent above a model for each task alone that count as no worse; seeds differ by about so much."""

Figures = Mapping[str, Mapping[str, list[float]]]


def part(found: Mapping[str, Any]) -> str:
    """The section as Markdown."""
    rare = found["newsroom_rare"]["purchases"]
    titles = {
        "movielens": "**MovieLens-100k, every event**: log loss of like, RMSE of stars.",
        "newsroom": "**The simulated newsroom**: distance to the oracle, as above.",
        "newsroom_rare": f"**The same with a {found['rarer']:g}th of the purchases**: {min(rare)} to {max(rare)} in all, made "
        "for this question. What a user buys hangs on the same taste as what they click, which is seen far more often.",
    }
    return "\n\n".join(
        (
            "## Tasks together, or each alone?",
            "*Each task alone* are models that see the same features and learn the labels of one task. Its figures as they "
            "are, the others' as more or less than that in percent (less is better), "
            f"mean of {len(found['seeds'])} seeds, lowest to highest in brackets. *Separate networks* share the adapter of text "
            "and the attention, and where a purchase needs a click, the product of the two.",
            *(
                text
                for name in _TOLERANCE
                for text in (titles[name], table(found[name]["figures"], _ALONE, "each task alone", _NAMES))
            ),
            _told(found),
        )
    )


def verdict(figures: Figures, tolerance: float) -> dict[str, tuple[bool, bool]]:
    """By trunk, over all of the examples: whether it is on no task worse than each alone, and whether it is better on one."""
    formatted = {}
    for trunk in _NAMES:
        above = [more(figures[trunk][name], figures[_ALONE][name]).mean() for name in figures[_ALONE] if name.endswith(", all")]
        formatted[trunk] = max(above) <= tolerance, min(above) < -tolerance
    return formatted


def _told(found: Mapping[str, Any]) -> str:
    verdicts = [verdict(found[name]["figures"], _TOLERANCE[name]) for name in _TOLERANCE]
    no_worse = [title for trunk, title in _NAMES.items() if all(one[trunk][0] for one in verdicts)]
    better = [title for trunk, title in _NAMES.items() if any(one[trunk][1] for one in verdicts)]
    bounds = ", ".join(dict.fromkeys(f"{_TOLERANCE[name]:g} % on {name.partition('_')[0]}" for name in _TOLERANCE))
    return (
        f"Over all examples (within {bounds}): on no task of any set worse than each task alone is "
        f"{', '.join(no_worse) or 'none of them'}; on at least one task better is {', '.join(better) or 'none of them'}. "
        "`HEADWATER_LEARNER_TRUNK` chooses."
    )


def table(figures: Figures, base: str, title: str, others: Mapping[str, str]) -> str:
    """The figures of `base` as they are, those of others as so many percent more."""
    names = list(figures[base])
    headers = (name.replace("_", " ") for name in names)
    rows = [f"| | {' | '.join(headers)} |", "| --- |" + " --- |" * len(names)]
    rows.append(f"| {title} | {' | '.join(f'{np.mean(figures[base][name]):.4f}' for name in names)} |")
    for other, title in others.items():
        above = (more(figures[other][name], figures[base][name]) for name in names)
        rows.append(f"| {title} | {' | '.join(map(_cell, above))} |")
    return "\n".join(rows)


def more(figures: list[float], base: list[float]) -> Any:
    """Percent above the base, one a seed."""
    return 100.0 * (np.array(figures) / np.array(base) - 1.0)


def _cell(above: Any) -> str:
    return f"{above.mean():+.1f} % ({above.min():+.1f} to {above.max():+.1f})"
