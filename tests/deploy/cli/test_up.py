"""What `headwater up` says once it is up fits a terminal of 80 columns."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from deploy.cli import up
from deploy.cli.connection import called
from deploy.local.state import StackState


def told(monkeypatch: pytest.MonkeyPatch, data_dir: str) -> list[str]:
    """What is said of a stack on the directory, in 80 columns."""
    said = Console(width=80, file=io.StringIO(), record=True)
    monkeypatch.setattr(up, "console", said)
    state = StackState(
        pid=1,
        bootstrap_servers="127.0.0.1:50001",
        server="127.0.0.1:50002",
        metrics_ports={},
        pids={},
        store_dir=f"{data_dir}/store",
        redis_url=None,
        snapshot_dir="",
        tasks_file="",
        console="http://127.0.0.1:50003",
    )
    up.print_access(state)
    return [line for line in said.export_text().splitlines() if line]


def test_the_way_in_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wrapped: each either stands alone or is indented, and ports have five digits."""
    lines = told(monkeypatch, "build/demo/stack")
    assert lines[0] == "Headwater is up. Ctrl-C stops it."
    assert all(line.startswith("  ") or line == "In another terminal, in this directory:" for line in lines[1:])
    assert "  logs     build/demo/stack/logs" in lines


def test_a_stack_elsewhere_is_found_by_its_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands look at the default places alone: the way in says what to add."""
    assert "In another terminal, with --data-dir /data/shop behind each:" in told(monkeypatch, "/data/shop")


def test_commands_are_told_as_they_were_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By path where the shell does not find `headwater`: what is printed can be pasted, also after a change of directory."""
    monkeypatch.setattr("sys.argv", [".venv/bin/headwater", "up"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert called() == ".venv/bin/headwater"
    assert called(Path("shop")) == "../.venv/bin/headwater"
    (tmp_path / "headwater").touch(mode=0o755)
    assert called() == "headwater"
