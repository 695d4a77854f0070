"""What `headwater up` says once it is up fits a terminal of 80 columns."""

import io

import pytest
from rich.console import Console

from deploy.cli import up
from deploy.local.state import StackState


def test_the_way_in_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wrapped: each either stands alone or is indented, and ports have five digits."""
    said = Console(width=80, file=io.StringIO(), record=True)
    monkeypatch.setattr(up, "console", said)
    state = StackState(
        pid=1,
        bootstrap_servers="127.0.0.1:50001",
        server="127.0.0.1:50002",
        metrics_ports={},
        pids={},
        store_dir="build/demo/stack/store",
        redis_url=None,
        snapshot_dir="",
        tasks_file="",
        console="http://127.0.0.1:50003",
    )
    up.print_access(state)
    lines = [line for line in said.export_text().splitlines() if line]
    assert lines[0] == "Headwater is up. Ctrl-C stops it."
    assert all(line.startswith("  ") or line == "In another terminal:" for line in lines[1:])
    assert "  logs     build/demo/stack/logs" in lines
