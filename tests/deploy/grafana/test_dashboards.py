"""The dashboards that are checked in are those that the sources make, and ask only for metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana.files import DASHBOARDS, generated
from deploy.prometheus.catalogue import metrics
from deploy.prometheus.objectives import recordings

BOARDS: dict[str, Any] = {path.stem: json.loads(content) for path, content in generated().items()}


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.stem)
def test_dashboards_are_current(path: Path) -> None:
    """What is checked in is what the sources make."""
    assert path.read_text() == generated()[path], "run `make generated` and commit what it writes"


def test_no_other_dashboard_lies_there() -> None:
    """A dashboard that was renamed leaves no old file behind."""
    assert sorted(DASHBOARDS.iterdir()) == sorted(generated())


@pytest.mark.parametrize("name", BOARDS)
def test_panels_explain_themselves(name: str) -> None:
    """Each panel has a title of its own, a sentence, a unit where it shows numbers, and at least one query."""
    panels = [panel for panel in BOARDS[name]["panels"] if panel["type"] != "row"]
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"]
        assert panel["type"] == "heatmap" or panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("name", BOARDS)
def test_queries_name_metrics_that_exist(name: str) -> None:
    """A metric that is renamed in the sources breaks this test, not the dashboard at night."""
    declared = {metric.name for metric in metrics()} | {rule.record for rule in recordings()}
    for panel in BOARDS[name]["panels"]:
        for target in panel.get("targets", []):
            for used in re.findall(r"\b(?:headwater|grpc_server)[_:][a-z0-9_:]+", target["expr"]):
                assert re.sub(r"_(bucket|sum|count)$", "", used) in declared | {"headwater"}, used


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_overlap(name: str) -> None:
    """Each cell of the grid belongs to one panel at most."""
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
