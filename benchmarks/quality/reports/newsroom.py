"""Report of the figures on the simulated newsroom."""

from collections.abc import Mapping
from typing import Any

from benchmarks.chart import line_chart

__all__ = ["BALANCED", "charts", "part"]

BALANCED = {
    "fixed": "fixed weights (the default)",
    "dynamic": "dynamic weights",
    "uncertainty": "uncertainty",
    "pcgrad": "gradient surgery: PCGrad",
    "upgrad": "gradient surgery: UPGrad",
    "mgda": "gradient surgery: MGDA",
    "priorities": "priorities (here all equal)",
}
_NAMES = {
    **BALANCED,
    "guarded": "the default behind the guard",
    "lightgbm_daily": "LightGBM, same features, retrained daily",
    "item_mean": "running item mean",
}
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
            f"### After a sudden shift of taste\n\nAt day {found['shift_at_day']:g} every user's taste is drawn again. "
            + " ".join(_recovery(title, found["recovery"][name]) for name, title in _SHOWN.items())
            + f" The guard judged {guarded['judged']} times and refused {guarded['refused']}. {_drifts(guarded['drifts'])}",
            "![Recovery](charts/newsroom-recovery.svg)",
        )
    )


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
    formatted = ", ".join(f"{drift['task']} at {drift['days_after_shift']:+.1f} days" for drift in drifts)
    return f"ADWIN reported drift of {formatted} from the turn."
