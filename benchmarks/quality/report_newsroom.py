"""Owns how the figures on the simulated newsroom are shown."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.chart import line_chart

__all__ = ["charts", "part"]

_NAMES = {
    "fixed": "fixed weights (the default)",
    "dynamic": "dynamic weights",
    "uncertainty": "uncertainty",
    "pcgrad": "gradient surgery: PCGrad",
    "upgrad": "gradient surgery: UPGrad",
    "mgda": "gradient surgery: MGDA",
    "priorities": "priorities (here all equal)",
    "separate": "separate networks, fixed weights",
    "mmoe": "MMoE, fixed weights",
    "shared_private": "shared and own networks, fixed weights",
    "guarded": "the default behind the guard",
    "lightgbm_daily": "LightGBM, same features, retrained daily",
    "item_mean": "running item mean",
}
_TRUNKS = {"shared_bottom": "shared bottom (the default)", "mmoe": "MMoE", "shared_private": "shared and own networks"}
_TOLERANCE = 2.0
"""Percent above the distance of separate networks that count as no worse."""
_SHOWN = {"fixed": "Headwater", "guarded": "Headwater, guarded", "lightgbm_daily": "LightGBM, daily"}


def part(found: Mapping[str, Any]) -> str:
    """The section as Markdown."""
    tasks = list(next(iter(found["distance"].values())))
    rows = [f"| | {' | '.join(tasks)} |", "| --- |" + " --- |" * len(tasks)]
    for name, title in _NAMES.items():
        if name in found["distance"]:
            cells = (f"{found['distance'][name][task]:.4f}" for task in tasks)
            rows.append(f"| {title} | {' | '.join(cells)} |")
    guarded = found["guarded"]
    return "\n\n".join(
        (
            "## The simulated newsroom: distance to an oracle",
            f"Synthetic users and items with known true rates (`headwater simulate`): {found['users']} users, {found['items']} "
            f"items, {found['days']:g} days, {found['impressions']:,} impressions shown at random. Distance over the last fifth "
            "of the examples, predicted before they were learned: Kullback-Leibler divergence from the true chance in nats for "
            "clicks and purchases, RMSE against the expected log1p seconds for reading. 0 is perfect. One seed; LightGBM was "
            f"trained {found['lightgbm_retrainings']} times, each time on all impressions whose windows had passed.",
            "\n".join(rows),
            *_together(found["trunks"]),
            f"### After a sudden shift of taste\n\nAt day {found['shift_at_day']:g} every user's taste is drawn anew. "
            + " ".join(_recovery(title, found["recovery"][name]) for name, title in _SHOWN.items())
            + f" The guard judged {guarded['judged']} times and refused {guarded['refused']}. {_drifts(guarded['drifts'])}",
            "![Recovery](charts/newsroom-recovery.svg)",
        )
    )


def _together(trunks: Mapping[str, Mapping[str, list[float]]]) -> tuple[str, str]:
    """Trunks beside separate networks, a ratio for each seed; and plainly which are on no task worse than those."""
    alone = trunks["separate"]
    rows = [f"| beside separate networks | {' | '.join(alone)} |", "| --- |" + " --- |" * len(alone)]
    met = []
    for trunk, title in _TRUNKS.items():
        more = {task: 100.0 * (np.array(trunks[trunk][task]) / np.array(alone[task]) - 1.0) for task in alone}
        cells = (f"{_percent(one.mean())} ({_percent(one.min())} to {_percent(one.max())})" for one in more.values())
        rows.append(f"| {title} | {' | '.join(cells)} |")
        if all(one.mean() <= _TOLERANCE for one in more.values()):
            met.append(title)
    seeds = len(next(iter(alone.values())))
    told = f"is met by {', '.join(met)}" if met else "is not met by any of them"
    return "\n".join(rows), (
        f"Distance by trunk, mean of {seeds} seeds (lowest to highest). The goal that tasks learned together are on "
        f"none farther from the oracle than tasks learned by separate networks (within {_TOLERANCE:g} %) {told}. Of what moves "
        "layers that all tasks share, little comes from purchases, which are rare; a network of a task's own gets full steps "
        "from Adam. So the shared bottom falls behind there, and a network of each task's own beside the shared one "
        "(`shared_private`) does not, at the price of one more network than separate ones, at serving too. "
        "`HEADWATER_LEARNER_TRUNK` chooses."
    )


def _percent(value: float) -> str:
    return f"{round(value):+d} %"


def charts(found: Mapping[str, Any]) -> dict[str, str]:
    """SVG by file name."""
    curves = {title: found["recovery"][name] for name, title in _SHOWN.items()}
    lines = {title: list(zip(curve["days"], curve["distances"], strict=True)) for title, curve in curves.items()}
    title = f"Newsroom: distance of clicks to the oracle in nats; taste turns at day {found['shift_at_day']:g}"
    return {"newsroom-recovery.svg": line_chart(title, "days", lines)}


def _recovery(title: str, curve: Mapping[str, Any]) -> str:
    took = f"is as near again (within a quarter) after {curve['impressions']:,} impressions" if curve["impressions"] else None
    return f"{title} stood {curve['before']:.4f} nats from the oracle's clicks before, and {took or 'never is as near again'}."


def _drifts(drifts: list[Mapping[str, Any]]) -> str:
    if not drifts:
        return "ADWIN reported no drift: features follow the turn faster than the loss could show it."
    told = ", ".join(f"{drift['task']} at {drift['days_after_shift']:+.1f} days" for drift in drifts)
    return f"ADWIN reported drift of {told} from the turn."
