"""Measured table of README.md: a row for each claim, each from a file of benchmarks/results/."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["PICTURE", "README", "RESULTS", "load", "table", "with_table"]

_ROOT = Path(__file__).parents[2]
README, RESULTS, PICTURE = _ROOT / "README.md", _ROOT / "benchmarks" / "results", _ROOT / "docs" / "pictures" / "demo.svg"
_BEGIN, _END = "<!-- measured: written by `python -m benchmarks.front`, not by hand -->", "<!-- /measured -->"


def load(directory: Path) -> dict[str, Any]:
    """Figures by the name of their file."""
    return {path.stem: msgspec.json.decode(path.read_bytes()) for path in sorted(directory.glob("*.json"))}


def table(results: Mapping[str, Any]) -> str:
    """The rows as Markdown; raises KeyError where a file or figure is missing."""
    auc, demo = results["quality"]["movielens"]["last_fifth"]["auc"], results["demo"]
    stale = results["quality"]["freshness"]["features"]
    events = demo["events"]
    known = events["folded"] + events["dead_lettered"] + events["duplicates"]
    rate = events["published"] / (demo["phases"]["ratings"] + demo["phases"]["settle"])
    rows = [
        ("what", "Headwater", "compared with"),
        ("---", "---", "---"),
        (
            "AUC of a like, each rating predicted before it is learned from (MovieLens-100k, last fifth)",
            f"{auc['headwater']:.3f}",
            f"{auc['lightgbm_daily']:.3f} LightGBM, same features, retrained daily; {auc['river_factorization']:.3f} River's "
            f"factorization; {auc['user_item_mean']:.3f} running means",
        ),
        ("the same with features that are 1,000 / 20,000 ratings old", f"{stale['1000']:.3f} / {stale['20000']:.3f}", ""),
        ("from an event on the log to the user's stored features", _times(demo["freshness"]["event_to_feature"]), ""),
        ("from sending an event to an answer that counts it", _times(demo["freshness"]["event_to_served"]), ""),
        ("scoring 100 candidates, all tasks, over gRPC", _times(demo["latency"]["score_100"]), ""),
        (
            "events through the whole system: log, features, examples, learning",
            f"{rate:,.0f} a second",
            f"{events['published']:,} published, {known:,} accounted for",
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def with_table(page: str, text: str) -> str:
    """The page with the table between its marks."""
    return f"{page.split(_BEGIN)[0]}{_BEGIN}\n\n{text}\n\n{_END}{page.split(_END)[1]}"


def _times(seconds: Mapping[str, float]) -> str:
    return f"{1e3 * seconds['p50_s']:.1f} ms, 99 % within {1e3 * seconds['p99_s']:.1f} ms"
