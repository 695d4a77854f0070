"""A child starts, speaks, proves healthy and ends; and it never outlives its parent."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.process import Child, ChildDiedError, Command


def child(source: str, tmp_path: Path, healthy: Callable[[], bool] = lambda: True, lines: list[str] | None = None) -> Child:
    """A child that runs the Python source."""
    heard: list[str] = [] if lines is None else lines
    command = Command(
        name="probe", argv=[sys.executable, "-c", textwrap.dedent(source)], environment={"WORD": "set"}, healthy=healthy
    )
    return Child(command, log_dir=tmp_path, echo=lambda name, line: heard.append(f"{name}: {line}"))


def alive(pid: int) -> bool:
    """Whether a process runs under the id, zombies left out."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_lines_reach_the_log_and_the_listener(tmp_path: Path) -> None:
    """Standard output and error both land in NAME.log and are echoed under the child's name."""
    lines: list[str] = []
    one = child("import os, sys; print(os.environ['WORD']); print('oops', file=sys.stderr)", tmp_path, lines=lines)
    assert eventually(lambda: len(lines) == 2)
    one.stop(1.0)
    assert lines == ["probe: set", "probe: oops"]
    assert (tmp_path / "probe.log").read_text() == "set\noops\n"


def test_feast_does_not_change_how_children_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that Feast sets on import stays in this process: with it, prometheus-client would write files instead."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    lines: list[str] = []
    one = child("import os; print(os.environ.get('PROMETHEUS_MULTIPROC_DIR'))", tmp_path, lines=lines)
    assert eventually(lambda: bool(lines))
    one.stop(1.0)
    assert lines == ["probe: None"]


def test_health_is_what_the_check_says(tmp_path: Path) -> None:
    """A child turns healthy when its check does, and can describe that it did not."""
    ready = tmp_path / "ready"
    one = child(
        f"import pathlib, time; print('up'); pathlib.Path({str(ready)!r}).touch(); time.sleep(60)", tmp_path, ready.exists
    )
    assert eventually(one.healthy)
    assert eventually(lambda: "| up" in str(one.unhealthy(5.0)))
    assert re.match(r"probe \(process \d+\) was not healthy after 5 s", str(one.unhealthy(5.0)))
    one.stop(5.0)
    assert not alive(one.pid)


def test_a_death_is_named_with_its_last_words(tmp_path: Path) -> None:
    """A child that ends before it is healthy is reported with status, last lines and log file."""
    one = child("print('no disk left'); raise SystemExit(3)", tmp_path, lambda: False)
    assert eventually(lambda: not alive(one.pid))
    with pytest.raises(ChildDiedError, match=r"probe \(process \d+\) exited with status 3(.|\n)*no disk left(.|\n)*probe\.log"):
        one.check()
    one.stop(1.0)


def test_a_full_disk_is_told_in_short(tmp_path: Path) -> None:
    """What a part said when all was well and its traceback are left out, even where its log cannot be written; and what to do."""
    (tmp_path / "probe.log").symlink_to("/dev/full")
    error = 'level=error event=worker_failed error="database or disk is full" exception="Traceback (most recent call last)"'
    one = child(f"print('level=info event=started'); print({error!r}); raise SystemExit(1)", tmp_path)
    assert eventually(lambda: not alive(one.pid))
    with pytest.raises(ChildDiedError) as output:
        one.check()
    message = str(output.value)
    assert 'error="database or disk is full"\n' in message
    assert "free some space, or choose another place" in message
    assert "started" not in message
    one.stop(1.0)


def test_a_kill_is_named_by_its_signal(tmp_path: Path) -> None:
    """check() says which signal ended the child."""
    one = child("import time; time.sleep(60)", tmp_path)
    os.kill(one.pid, signal.SIGKILL)
    assert eventually(lambda: not alive(one.pid))
    with pytest.raises(ChildDiedError, match="was killed by SIGKILL"):
        one.check()
    one.stop(1.0)


def test_stop_kills_what_ignores_the_request_and_what_it_started(tmp_path: Path) -> None:
    """After the grace the whole group is killed, grandchildren too."""
    lines: list[str] = []
    source = """
        import signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
        time.sleep(60)
    """
    one = child(source, tmp_path, lines=lines)
    assert eventually(lambda: bool(lines))
    grandchild = int(lines[0].split()[-1])
    one.stop(0.3)
    assert not alive(one.pid)
    assert eventually(lambda: not alive(grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_a_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    """SIGKILL on the parent, which no handler can see, still leaves no child behind."""
    source = f"""
        import sys, time
        from pathlib import Path
        from deploy.local.process import Child, Command
        command = Command(name="x", argv=[sys.executable, "-c", "import time; print('up'); time.sleep(60)"],
                          environment={{}}, healthy=lambda: True)
        one = Child(command, log_dir=Path({str(tmp_path)!r}), echo=lambda name, line: print(one.pid, flush=True))
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(source)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as output:
        pid = int(output.readline())
        assert alive(pid)
        parent.kill()
        parent.wait()
    assert eventually(lambda: not alive(pid))


@pytest.mark.parametrize(
    "module",
    [
        "streams.workers.features",
        "streams.workers.catalogue",
        "streams.workers.learner",
        "serving.__main__",
        "deploy.console.__main__",
    ],
)
def test_a_part_starts_without_warnings_of_its_libraries(module: str) -> None:
    """What `headwater up` passes on to the terminal is for its reader."""
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
