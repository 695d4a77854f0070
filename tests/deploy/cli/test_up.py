"""`headwater up` is found by other commands from its first moment on, and says how to use it within 80 columns."""

import io
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from deploy.cli import up
from deploy.cli.connection import called
from deploy.dataset.sources import SourcesRead
from deploy.local.state import DataDirectory, NoStackError, StackState, find_running
from feature_repo.decoded_event import DecodedEvent


def shown(monkeypatch: pytest.MonkeyPatch, data_dir: str) -> list[str]:
    """What is said of a stack on the directory, in 80 columns."""
    output = Console(width=80, file=io.StringIO(), record=True)
    monkeypatch.setattr(up, "console", output)
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
    return [line for line in output.export_text().splitlines() if line]


def test_the_way_in_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wrapped: each either stands alone or is indented, and ports have five digits."""
    lines = shown(monkeypatch, "build/demo/stack")
    assert lines[0] == "Headwater is up. Ctrl-C stops it."
    assert all(line.startswith("  ") or line == "In another terminal, in this directory:" for line in lines[1:])
    assert "  logs     build/demo/stack/logs" in lines


def test_a_stack_elsewhere_is_found_by_its_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands look at the default places alone: the way in says what to add."""
    assert "In another terminal, with --data-dir /data/shop behind each:" in shown(monkeypatch, "/data/shop")


def test_commands_are_told_as_they_were_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By path where the shell does not find `headwater`: what is printed can be pasted, also after a change of directory."""
    monkeypatch.setattr("sys.argv", [".venv/bin/headwater", "up"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert called() == ".venv/bin/headwater"
    assert called(Path("shop")) == "../.venv/bin/headwater"
    (tmp_path / "headwater").touch(mode=0o755)
    assert called() == "headwater"


@pytest.mark.parametrize(("days", "moved"), [(461.3, True), (6.9, False)])
def test_an_old_history_is_served_as_if_it_were_of_today(days: float, moved: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whole days, so that the time of day stays, and it is said; one of this week keeps its times."""
    output = Console(width=80, file=io.StringIO(), record=True)
    monkeypatch.setattr(up, "console", output)
    now = time.time()
    events = [
        DecodedEvent(event_id=f"e{age}", user_id="u", item_id="i", at=now - age * 86_400, kind="click")
        for age in (days + 9, days)
    ]
    read = SourcesRead(events=events, items=[], rejects={}, kinds=Counter(), timed=True)
    first, last = (event.at for event in up.ending_now(read).events)
    assert last - first == pytest.approx(9 * 86_400)
    assert (last - events[-1].at) % 86_400 == pytest.approx(0.0)
    assert (now - last < 86_400) == moved
    assert ("461 days old" in output.export_text()) == moved


def test_a_stack_that_still_reads_its_project_is_starting(tmp_path: Path) -> None:
    """The directory is taken before anything is read: a pipe that nobody writes to keeps the command at its first file."""
    (tmp_path / "tasks.toml").write_text('[tasks.click]\nkind = "binary"\nevent = "click"\n')
    (tmp_path / "headwater.toml").write_text('tasks = "tasks.toml"\n[[history]]\nfile = "clicks.csv"\nevent = "click"\n')
    os.mkfifo(tmp_path / "clicks.csv")
    data_dir = tmp_path / "data"
    # By the launcher, so that a test run that is killed leaves no command behind.
    launch = [sys.executable, "-m", "deploy.local.launcher", str(os.getpid()), sys.executable, "-c"]
    command = [*launch, "from deploy.cli import main; main()", "up", str(tmp_path), "--data-dir", str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        # A pipe opens for writing once the command reads it.
        with (tmp_path / "clicks.csv").open("w"), pytest.raises(NoStackError, match=r"still starting"):
            find_running(data_dir)
        output, _ = process.communicate()
    assert process.returncode == 1, output
    assert "error:" in output
    assert not DataDirectory(data_dir).held
