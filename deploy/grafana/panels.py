"""Builders for dashboard panels: one datasource, base units, and a description on every panel."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    RowPanel,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.dashboard import Panel as DashboardPanel
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

__all__ = ["Panel", "Query", "board", "graph", "heat", "number", "row"]

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_COLUMNS = 24
_WIDTH, _HEIGHT = 8, 8
_NUMBER_WIDTH, _NUMBER_HEIGHT = 6, 4

Panel = timeseries.Panel | stat.Panel | heatmap.Panel


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """PromQL, and what its lines are called."""

    expr: str
    legend: str = ""


def graph(
    title: str, description: str, *queries: Query, unit: str, stacked: bool = False, warn_above: float | None = None
) -> timeseries.Panel:
    """Lines over time; a dashed line marks `warn_above`."""
    panel = timeseries.Panel().title(title).description(description).unit(unit).datasource(_SOURCE)
    panel = panel.span(_WIDTH).height(_HEIGHT).min(0.0).line_width(1.5).fill_opacity(30.0 if stacked else 0.0)
    panel = panel.legend(
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    panel = panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if warn_above is not None:
        panel = panel.thresholds(_green_until(warn_above))
    return _with(panel, queries)


def number(title: str, description: str, query: Query, *, unit: str, red_above: float | None = None) -> stat.Panel:
    """The latest value, large, with its course behind it."""
    panel = stat.Panel().title(title).description(description).unit(unit).datasource(_SOURCE)
    panel = panel.span(_NUMBER_WIDTH).height(_NUMBER_HEIGHT).graph_mode(BigValueGraphMode.AREA)
    if red_above is not None:
        panel = panel.thresholds(_green_until(red_above))
    return panel.with_target(_target(query, "A"))


def heat(title: str, description: str, query: Query, *, unit: str) -> heatmap.Panel:
    """How a histogram's observations lie over time."""
    target = _target(query, "A").format(PromQueryFormat.HEATMAP)
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(_SOURCE)
        .span(_WIDTH)
        .height(_HEIGHT)
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(32))
        .with_target(target)
    )


def row(title: str) -> dashboard.Row:
    """A heading."""
    return dashboard.Row(title)


def board(uid: str, title: str, description: str, *parts: dashboard.Row | Panel) -> Dashboard:
    """A dashboard of the last hour, refreshed each 30 s; the others are one click away."""
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["headwater"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(
            dashboard.DashboardLink("Headwater")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["headwater"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for part in parts:
        built = built.with_row(part) if isinstance(part, dashboard.Row) else built.with_panel(part)
    finished = built.build()
    _lay_out([panel for panel in finished.panels or [] if isinstance(panel, DashboardPanel | RowPanel)])
    return finished


def _lay_out(panels: Sequence[DashboardPanel | RowPanel]) -> None:
    """Fills lines from left to right. (The builder's own way lets a wide panel stand out over the edge.)"""
    x, y, height = 0, 0, 0
    for number_, panel in enumerate(panels, start=1):
        assert panel.grid_pos is not None
        place = panel.grid_pos
        if isinstance(panel, RowPanel) or x + place.w > _COLUMNS:
            x, y, height = 0, y + height, 0
        place.x, place.y, panel.id_val = x, y, number_
        x, height = x + place.w, max(height, place.h)


def _with(panel: timeseries.Panel, queries: tuple[Query, ...]) -> timeseries.Panel:
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_target(query, letter))
    return panel


def _target(query: Query, letter: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expr).legend_format(query.legend or "__auto").ref_id(letter).range()


def _green_until(bound: float) -> dashboard.ThresholdsConfig:
    steps = [Threshold(color="green", value=None), Threshold(color="red", value=bound)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
