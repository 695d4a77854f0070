"""Line charts as SVG files, by matplotlib; the same figures give the same file, and a dark page gets dark colours."""

import io
import math
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

__all__ = ["line_chart"]

_COLORS = ("#0a7cff", "#f08c00", "#2f9e44", "#e03131", "#7048e8", "#868e96", "#0c8599", "#c2255c")
_STYLE = (
    "<style>@media (prefers-color-scheme: dark) { #panel path { fill: #1b1e24 !important } text { fill: #dee2e6 !important }"
    " #grid path { stroke: #3a4048 !important } }</style>"
)
_FEW = 12  # points of a line, up to which each is marked
_TICKS = 8  # distinct x values, up to which each has its tick


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

    >>> 'id="line-0"' in line_chart("t", "x", {"a": [(1, 0.5), (2, 0.7)]})
    True
    """
    points = {name: [(x, y) for x, y in line if math.isfinite(x) and math.isfinite(y)] for name, line in lines.items()}
    with matplotlib.rc_context(
        {
            "axes.spines.left": False,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],
            "font.size": 9,
            "svg.fonttype": "none",  # text stays text: it can be searched, and takes the reader's fonts
            "svg.hashsalt": "headwater",
        }
    ):
        figure = Figure(figsize=(7.6, 3.4), layout="constrained")
        figure.patch.set_gid("panel")
        axes = figure.add_subplot()
        axes.set_facecolor("none")
        axes.set_title(title, loc="left")
        axes.set_xlabel(x_title)
        axes.grid(axis="y", color="#e9ecef", gid="grid")
        axes.tick_params(length=0)
        for number, (name, line) in enumerate(points.items()):
            axes.plot(
                [x for x, _ in line],
                [y for _, y in line],
                color=_COLORS[number % len(_COLORS)],
                gid=f"line-{number}",
                label=name,
                marker="o" if len(line) <= _FEW else None,
                markersize=4,
            )
        _scale(axes, [point for line in points.values() for point in line], log_x=log_x, log_y=log_y, from_zero=from_zero)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    head, panel, rest = drawn.getvalue().partition("<g ")
    return f"{head}{_STYLE}\n {panel}{rest}"


def _scale(axes: Axes, points: Sequence[tuple[float, float]], *, log_x: bool, log_y: bool, from_zero: bool) -> None:
    """Scales and ticks; below 0 there is no room where no value is."""
    if log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    else:
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        if min(y for _, y in points) >= 0.0:
            low, _ = axes.get_ylim()
            axes.set_ylim(bottom=0.0 if from_zero else max(low, 0.0))
    if log_x:
        axes.set_xscale("log")
        values = sorted({x for x, _ in points})
        if len(values) <= _TICKS:
            axes.set_xticks(values)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axes.minorticks_off()
