"""`headwater simulate` writes files that replay takes as they are."""

import json
import time
from pathlib import Path

import typer
from typer.testing import CliRunner

from deploy.cli.data import simulate
from deploy.dataset.project import Catalogue, History, Project
from deploy.dataset.sources import read_sources


def test_what_is_simulated_can_be_read_back(tmp_path: Path) -> None:
    """Each impression has a line of the oracle, and every event and item is valid."""
    app = typer.Typer()
    simulate.register(app)
    small = ["--users", "10", "--items", "50", "--days", "2"]
    done = CliRunner().invoke(app, [*small, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "Synthetic" in done.output
    history, catalogue = History(file=str(tmp_path / "events.jsonl")), Catalogue(file=str(tmp_path / "catalogue.jsonl"))
    read = read_sources(Project(history=(history,), catalogue=catalogue), now=time.time())
    assert not any(rejects.counts for rejects in read.rejects.values())
    assert len(read.items) == 50
    oracle = [json.loads(line) for line in (tmp_path / "oracle.jsonl").read_text().splitlines()]
    assert [rates["event_id"] for rates in oracle] == [event.event_id for event in read.events if event.kind == "impression"]
    assert all(0.0 <= rates["purchase"] <= rates["click"] <= 1.0 for rates in oracle)
