"""Owns the drawing of line charts as small SVG files, which README pages show and diffs can be read of."""

import html
import math
from collections.abc import Mapping, Sequence

__all__ = ["line_chart"]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 340, 60, 210, 40, 50
_STYLE = (
    "<style>.panel { fill: #fff } text { fill: #212529 } .grid { stroke: #e9ecef }"
    " @media (prefers-color-scheme: dark) { .panel { fill: #1b1e24 } text { fill: #dee2e6 } .grid { stroke: #3a4048 } }</style>"
)
_COLORS = ("#0a7cff", "#f08c00", "#2f9e44", "#e03131", "#7048e8", "#868e96", "#0c8599", "#c2255c")


def line_chart(
    title: str,
    x_title: str,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    log_x: bool = False,
    log_y: bool = False,
    from_zero: bool = False,
) -> str:
    """An SVG of named lines, each of points (x, y); points that are not finite are left out.

    With `from_zero` the axis begins there, so that what hardly changes looks flat.

    >>> line_chart("t", "x", {"a": [(1, 0.5), (2, 0.7)]}).count("<polyline")
    1
    """
    points = {name: [(x, y) for x, y in line if math.isfinite(x) and math.isfinite(y)] for name, line in lines.items()}
    xs = [math.log10(x) if log_x else x for line in points.values() for x, _ in line]
    ys = [math.log10(y) if log_y else y for line in points.values() for _, y in line]
    margin = 0.05 * (max(ys) - min(ys)) or 0.01
    low, high = min(ys) - margin, max(ys) + margin
    if min(ys) >= 0.0 and not log_y:  # no room below 0 for what cannot be there
        low = 0.0 if from_zero else max(low, 0.0)
    left, right = min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1.0
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        x, y = math.log10(x) if log_x else x, math.log10(y) if log_y else y
        return _LEFT + width * (x - left) / (right - left), _TOP + height * (high - y) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        _STYLE,
        f'<rect class="panel" width="{_WIDTH}" height="{_HEIGHT}"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{html.escape(title)}</text>',
        f'<text x="{_LEFT + width / 2}" y="{_HEIGHT - 10}" text-anchor="middle">{html.escape(x_title)}</text>',
    ]
    decimals = 0 if not log_y and high - low >= 20.0 else 3
    for step in range(5):
        level = low + (high - low) * step / 4
        value = 10**level if log_y else level
        y = place(10**left if log_x else left, value)[1]
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + width}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.{decimals}f}</text>')
    digits = ",.0f" if log_x or right - left >= 5.0 else ".2f"
    for tick in _ticks(left, right, sorted(set(xs)), log_x):
        x = place(tick, 10**low if log_y else low)[0]
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 30}" text-anchor="middle">{tick:{digits}}</text>')
    for number, (name, line) in enumerate(points.items()):
        color = _COLORS[number % len(_COLORS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        if len(line) <= 12:
            for x, y in (place(*point) for point in line):
                parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>')
        y = _TOP + 18 * number
        parts.append(f'<rect x="{_WIDTH - _RIGHT + 12}" y="{y}" width="12" height="12" fill="{color}"/>')
        parts.append(f'<text x="{_WIDTH - _RIGHT + 30}" y="{y + 11}">{html.escape(name)}</text>')
    return "\n".join((*parts, "</svg>", ""))


def _ticks(left: float, right: float, values: list[float], log_x: bool) -> list[float]:
    if log_x:
        return (
            [10**value for value in values]
            if len(values) <= 8
            else [10.0**power for power in range(round(left), round(right) + 1)]
        )
    return [left + (right - left) * step / 5 for step in range(6)]
