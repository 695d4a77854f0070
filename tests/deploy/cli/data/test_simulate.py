"""`headwater simulate` writes files that replay takes as they are."""

import json
import time
from pathlib import Path

import typer
from typer.testing import CliRunner

from deploy.cli.data import simulate
from deploy.dataset.history_file import read_catalogue, read_history


def test_what_is_simulated_can_be_read_back(tmp_path: Path) -> None:
    """Each impression has a line of the oracle, and every event and item is valid."""
    app = typer.Typer()
    simulate.register(app)
    small = ["--users", "10", "--items", "50", "--days", "2"]
    done = CliRunner().invoke(app, [*small, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "Synthetic" in done.output
    events = read_history(tmp_path / "events.jsonl", now=time.time())
    assert len(read_catalogue(tmp_path / "catalogue.jsonl", now=time.time())) == 50
    oracle = [json.loads(line) for line in (tmp_path / "oracle.jsonl").read_text().splitlines()]
    assert [rates["event_id"] for rates in oracle] == [event.event_id for event in events if event.kind == "impression"]
    assert all(0.0 <= rates["purchase"] <= rates["click"] <= 1.0 for rates in oracle)
