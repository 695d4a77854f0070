"""Figures of the drills as shown: the list in drills.json, and the part of benchmarks/README.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.drills.cluster import CLUSTER_DRILLS
from deploy.drills.drill import DRILLS, Drill

__all__ = ["headline", "part"]

_COLUMNS = (
    *("drill", "broken, s", "requests", "failed", "degraded", "events", "lost", "counted twice"),
    *("impressions dropped", "recovery, s", "alerts"),
)


def headline(results: Mapping[str, Any]) -> dict[str, Any]:
    """The list `drills`, in the order in which they are run; what could not be done here is left out of it."""
    done = [drill.name for drill in (*DRILLS, *CLUSTER_DRILLS) if drill.name in results and "skipped" not in results[drill.name]]
    shown = ("requests", "failed", "degraded", "events_lost", "recovery_s", "alerts")
    return {"drills": [{"drill": name, **{figure: results[name][figure] for figure in shown}} for name in done]}


def part(results: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        "## Failure drills",
        "The whole system on one machine, with Redis, Prometheus and our alert rules; events (40/s) and requests (20/s) flow "
        "while a part is broken on purpose and repaired. *Failed* are calls that ended with an error, *degraded* those that were "
        "answered with less than all and said so. *Lost* are events that were sent and are in no user's features when all is "
        "over. *Impressions* are written by the server behind its answers, which do not wait for them: those that it dropped. "
        "*Recovery* runs from the repair until every part is healthy, no answer is degraded and each event sent before is "
        "counted. Alerts fire after a 120th of their usual waiting time, for a drill is shorter than an outage.",
        *_table(DRILLS, results),
    ]
    if any(drill.name in results for drill in CLUSTER_DRILLS):
        lines += [
            "### Three nodes of Apache Kafka",
            "The same system on a cluster: three nodes, three copies of each partition, of which a write needs two.",
            *_table(CLUSTER_DRILLS, results),
        ]
    return "\n\n".join(lines)


def _table(drills: Sequence[Drill], results: Mapping[str, Any]) -> list[str]:
    done = [drill for drill in drills if drill.name in results]
    rows = [_row(drill.name, results[drill.name]) for drill in done if "skipped" not in results[drill.name]]
    skipped = [f"{drill.name}: not done, {results[drill.name]['skipped']}." for drill in done if "skipped" in results[drill.name]]
    table = "\n".join((f"| {' | '.join(_COLUMNS)} |", "| --- |" + " --- |" * (len(_COLUMNS) - 1), *rows))
    return [table, "\n".join(f"- {drill.name}: {drill.what}" for drill in done), *skipped]


def _row(name: str, found: Mapping[str, Any]) -> str:
    recovery = "never" if found["recovery_s"] is None else f"{found['recovery_s']:.1f}"
    cells = (
        name,
        f"{found['broken_s']:.0f}",
        f"{found['requests']:,}",
        f"{found['failed']:,}",
        f"{found['degraded']:,}",
        f"{found['events']:,}",
        f"{found['events_lost']:,}",
        f"{found['events_counted_twice']:,}",
        f"{found['impressions_dropped']:,}",
        recovery,
        ", ".join(found["alerts"]) or "none",
    )
    return f"| {' | '.join(cells)} |"
