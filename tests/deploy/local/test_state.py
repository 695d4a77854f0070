"""One stack at a time owns a data directory, and other commands find it there."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.state import DataDirectory, DirectoryInUseError, NoStackError, StackState, find_running

STATE = StackState(
    pid=1,
    bootstrap_servers="127.0.0.1:9092",
    server="127.0.0.1:50051",
    metrics_ports={"learner": 9101},
    pids={"learner": 12},
    store_dir="store",
    redis_url=None,
    snapshot_dir="snapshots",
    tasks_file="tasks.toml",
)


def test_a_second_holder_is_told_who_has_it(tmp_path: Path) -> None:
    """The error names the process that holds the directory; after release it is free."""
    first, second = DataDirectory(tmp_path), DataDirectory(tmp_path)
    first.acquire()
    with pytest.raises(DirectoryInUseError, match=r"in use by process \d+"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_the_running_stack_is_found(tmp_path: Path) -> None:
    """While the directory is held, its state reads back as written; afterwards no stack is found."""
    directory = DataDirectory(tmp_path)
    directory.acquire()
    with pytest.raises(NoStackError, match=f"the stack on {tmp_path} is still starting"):
        find_running(tmp_path)
    directory.write(STATE)
    assert find_running(tmp_path) == STATE
    directory.release()
    with pytest.raises(NoStackError, match="headwater up"):
        find_running(tmp_path)


def test_a_killed_holder_leaves_no_trace(tmp_path: Path) -> None:
    """The stack.json of a process that was killed is not taken for a running stack."""
    source = (
        "import os, signal; from pathlib import Path; from deploy.local.state import DataDirectory\n"
        "from tests.deploy.local.test_state import STATE\n"
        f"directory = DataDirectory(Path({str(tmp_path)!r})); directory.acquire(); directory.write(STATE)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", source], check=False)
    assert DataDirectory(tmp_path).state_file.exists()
    assert DataDirectory(tmp_path).running() is None
    heir = DataDirectory(tmp_path)
    heir.acquire()
    with pytest.raises(NoStackError, match="still starting"):
        find_running(tmp_path)
    heir.release()


def test_nothing_running_is_said_plainly(tmp_path: Path) -> None:
    """A directory that no stack ever used gives the same clear words."""
    with pytest.raises(NoStackError, match="no stack runs on"):
        find_running(tmp_path / "absent")
