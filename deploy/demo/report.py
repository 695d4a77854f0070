"""Demo's report: report.json, and report.html with the curves of quality, which needs nothing beside itself."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from rich.table import Table

from deploy.demo.movielens import CITATION
from deploy.demo.progress import DemoQuality

__all__ = ["quality_table", "system_table", "write"]

_NAMES = {
    "headwater": "Headwater",
    "user_item_mean": "running user bias + item mean",
    "item_mean": "running item mean",
}
_COLORS = {"headwater": "#0a7cff", "user_item_mean": "#f08c00", "item_mean": "#868e96"}
_FIGURES = {
    "auc_like": "AUC of like, all",
    "auc_like_last_fifth": "AUC of like, last fifth",
    "rmse_stars": "RMSE of stars, all",
    "rmse_stars_last_fifth": "RMSE of stars, last fifth",
}
_MODE = (
    "Progressive validation: each rating is predicted before it is learned from, with features as of the time it was given. "
    "The whole history was moved in time so that its last rating was given when the demo began."
)


def quality_table(report: Mapping[str, Any]) -> Table:
    """The figures of quality, for a terminal."""
    quality = report["quality"]
    table = Table("", "Headwater", "user + item means", "item mean", title=f"Quality over {quality['judged']:,} ratings")
    for figure, title in _FIGURES.items():
        table.add_row(title, *(f"{quality[figure][model]:.3f}" for model in _NAMES))
    return table


def system_table(report: Mapping[str, Any]) -> Table:
    """Counts, latency, freshness and the time of each phase, for a terminal."""
    events, latency, freshness = report["events"], report["latency"]["score_100"], report["freshness"]
    table = Table("what", "measured", title="The system")
    counts = " + ".join(f"{events[name]:,} {name.replace('_', '-')}" for name in ("folded", "dead_lettered", "duplicates"))
    table.add_row("events", f"{events['published']:,} published = {counts}")
    table.add_row("examples learned", f"{report['examples_learned']:,}")
    table.add_row("snapshots published", f"{report['snapshots_published']:,}")
    for name, seconds in (
        ("event to feature", freshness["event_to_feature"]),
        ("event to served", freshness["event_to_served"]),
        ("Score of 100 candidates", latency),
    ):
        table.add_row(name, f"p50 {seconds['p50_s'] * 1e3:.1f} ms, p99 {seconds['p99_s'] * 1e3:.1f} ms")
    table.add_row("wall time", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report["phases"].items()))
    return table


def write(directory: Path, report: Mapping[str, Any], quality: DemoQuality) -> None:
    """Writes report.json and report.html into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    (directory / "report.html").write_text(_page(report, quality), encoding="utf-8")


def _page(report: Mapping[str, Any], quality: DemoQuality) -> str:
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in ("", *_NAMES.values()))
    rows = "".join(
        f"<tr><th>{title}</th>" + "".join(f"<td>{quality.figures[figure][model]:.3f}</td>" for model in _NAMES) + "</tr>"
        for figure, title in _FIGURES.items()
    )
    others = html.escape(msgspec.json.format(msgspec.json.encode({k: v for k, v in report.items() if k != "quality"})).decode())
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Headwater: MovieLens-100k as a stream</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #212529 }}
table {{ border-collapse: collapse }} th, td {{ padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #dee2e6 }}
pre {{ background: #f8f9fa; padding: 1rem; overflow: auto }}
</style>
<h1>MovieLens-100k as a stream</h1>
<p>{html.escape(_MODE)}</p>
<table><tr>{heads}</tr>{rows}</table>
{_figure(quality).to_html(full_html=False, include_plotlyjs=True)}
<h2>What else was measured</h2>
<pre>{others}</pre>
<p><small>{html.escape(CITATION)}</small></p>
</html>
"""


def _figure(quality: DemoQuality) -> go.Figure:
    titles = ("AUC of like, over the last 5,000 ratings (higher is better)", "RMSE of stars, the same (lower is better)")
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=titles)
    for row, curve in enumerate(("auc_like", "rmse_stars"), start=1):
        for model, name in _NAMES.items():
            line = {"color": _COLORS[model], "width": 3 if model == "headwater" else 2}
            trace = go.Scatter(x=quality.events, y=quality.curves[curve][model], name=name, line=line, showlegend=row == 1)
            figure.add_trace(trace, row=row, col=1)
    figure.update_xaxes(title_text="ratings seen", row=2, col=1)
    figure.update_layout(height=700, template="plotly_white", hovermode="x unified", legend={"orientation": "h", "y": 1.12})
    return figure
