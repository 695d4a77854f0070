"""The report of the drills says what was measured, and what was not."""

from pathlib import Path
from typing import Any

import msgspec

from benchmarks.drills.report import headline, part
from deploy.drills.cluster import CLUSTER_DRILLS
from deploy.drills.drill import DRILLS

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "drills.json"


def outcome(**changed: Any) -> dict[str, Any]:
    """A drill's figures."""
    found = {
        "requests": 300,
        "failed": 4,
        "degraded": 5,
        "events": 900,
        "events_lost": 0,
        "events_counted_twice": 0,
        "impressions_dropped": 7,
        "broken_s": 8.0,
        "recovery_s": 2.5,
        "alerts": ["ProcessDown"],
    }
    return found | changed


def test_drills_are_listed_in_their_order_without_those_not_done() -> None:
    """The list has the figures that others read; a skipped drill is in the page alone, with its reason."""
    results = {
        "disk_full": {"what": "full", "skipped": "no root"},
        "server_killed": outcome(),
        "redis_killed": outcome(recovery_s=None, alerts=[]),
    }
    assert headline(results)["drills"] == [
        {
            "drill": "redis_killed",
            "requests": 300,
            "failed": 4,
            "degraded": 5,
            "events_lost": 0,
            "recovery_s": None,
            "alerts": [],
        },
        {
            "drill": "server_killed",
            "requests": 300,
            "failed": 4,
            "degraded": 5,
            "events_lost": 0,
            "recovery_s": 2.5,
            "alerts": ["ProcessDown"],
        },
    ]
    page, _, cluster = part(results | {"node_frozen": outcome(alerts=[])}).partition("### Three nodes of Apache Kafka")
    assert "| node_frozen | 8 | 300 | 4 | 5 | 900 | 0 | 0 | 7 | 2.5 | none |" in cluster
    assert "| redis_killed | 8 | 300 | 4 | 5 | 900 | 0 | 0 | 7 | never | none |" in page
    assert "disk_full: not done, no root." in page


def test_the_published_drills_lost_nothing() -> None:
    """The list that is checked in is made from its figures: every drill, none lost an event, all were recovered from."""
    published = msgspec.json.decode(RESULTS.read_bytes())
    assert published["drills"] == headline(published)["drills"]
    assert [one["drill"] for one in published["drills"]] == [
        drill.name for drill in (*DRILLS, *CLUSTER_DRILLS) if drill in DRILLS or drill.name in published
    ]
    assert [name for name, one in published.items() if name != "drills" and one["events_counted_twice"]] == []
    assert [one["drill"] for one in published["drills"] if one["events_lost"] or one["recovery_s"] is None] == []
