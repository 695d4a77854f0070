"""Report of the soak: how much each line rose, and the lines."""

from collections.abc import Mapping
from typing import Any

from benchmarks.chart import line_chart

__all__ = ["charts", "part"]

_SHOWN = {
    "memory": ("Resident memory, MB", 1e-6),
    "files": ("Open file handles", 1.0),
    "threads": ("Threads", 1.0),
    "lag": ("Records that wait", 1.0),
    "latency": ("Latency, ms", 1e3),
}
"""Title and factor of each quantity."""


def part(results: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    found = results["soak"]
    rows = ["| | mean | rise over the time | allowed | flat |", "| --- | --- | --- | --- | --- |"]
    for quantity, (title, factor) in _SHOWN.items():
        for name, trend in found["trends"][quantity].items():
            figures = (f"{factor * trend[key]:,.1f}" for key in ("mean", "growth", "allowed"))
            rows.append(f"| {title}: {name} | {' | '.join(figures)} | {'yes' if trend['flat'] else '**no**'} |")
    verdict = "Everything is flat." if found["flat"] else "**Not everything is flat.**"
    counted = (
        f"**{found['uncounted']:,} of them not counted** in the end"
        if found.get("uncounted")
        else "all of them counted in the end"
    )
    return "\n\n".join(
        (
            "## Soak",
            f"{found['minutes']:,.0f} minutes of the load of the drills, with Redis as the store: {found['events']:,} events, "
            f"{counted}, and {found['requests']:,} requests, {found['failed']:,} failed. {verdict} The rise "
            "is that of a straight line through the last three quarters of the time, as everything fills up in the first.",
            "\n".join(rows),
            "\n".join(f"![{title}](charts/soak-{quantity}.svg)" for quantity, (title, _) in _SHOWN.items()),
        )
    )


def charts(results: Mapping[str, Any]) -> dict[str, str]:
    """SVG by file name."""
    found = results["soak"]
    drawn: dict[str, str] = {}
    for quantity, (title, factor) in _SHOWN.items():
        lines = {
            name: [(sample["at_s"] / 60.0, factor * sample[quantity][name]) for sample in found["samples"]]
            for name in found["trends"][quantity]
        }
        flat = all(trend["flat"] for trend in found["trends"][quantity].values())
        drawn[f"soak-{quantity}.svg"] = line_chart(f"{title} ({'flat' if flat else 'rising'})", "minutes", lines, from_zero=True)
    return drawn
