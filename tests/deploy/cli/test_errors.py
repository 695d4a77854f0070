"""What a newcomer can run into in the first hour is answered with what to do, and never with a traceback."""

import errno
import importlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cli.errors import user_message
from deploy.local.ports import PortTakenError, check_free
from runtime.errors import UserError
from tests.structure.rooms import classes

ROOT = Path(__file__).parents[3]


def headwater(*arguments: str, cwd: Path, **environment: str) -> str:
    """What the command says on standard error: one message after `error: `; it must fail."""
    done = subprocess.run(
        [sys.executable, "-c", "from deploy.cli import main; main()", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=100,
        env={"PATH": "", "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield int(one.getsockname()[1])


def test_a_port_that_is_taken(taken: int, tmp_path: Path) -> None:
    """It is named with the flag that chooses another, before anything is started."""
    output = headwater("up", "--data-dir", str(tmp_path / "data"), "--port", str(taken), cwd=tmp_path)
    assert f"port {taken} is taken by another process; choose another with --port" in output
    with pytest.raises(PortTakenError, match="--console-port"):
        check_free({"--port": None, "--console-port": taken})


def test_a_tasks_file_that_is_not_utf8(tmp_path: Path) -> None:
    """Before anything is started; the same of a project file."""
    (tmp_path / "tasks.toml").write_bytes(b"[tasks.caf\xe9]\n")
    assert "tasks.toml: cannot be read" in (output := headwater("up", "--tasks", "tasks.toml", cwd=tmp_path))
    assert "save it as UTF-8" in output
    (tmp_path / "headwater.toml").write_bytes(b'tasks = "caf\xe9"\n')
    assert "save it as UTF-8" in headwater("check", cwd=tmp_path)


def test_a_history_that_is_not_utf8(tmp_path: Path) -> None:
    """An encoding that is none is refused by its name."""
    (tmp_path / "latin.csv").write_bytes(b"user_id,item_id,occurred_at\nu,caf\xe9,1\n")
    flags = ("--history", "latin.csv", "--encoding", "klingon", "--yes")
    assert "latin.csv: unknown encoding: klingon" in headwater("init", "p", *flags, cwd=tmp_path)


def test_a_table_of_one_column_is_told_how_fields_are_parted(tmp_path: Path) -> None:
    """Where the separator is none that is known, the header is one long name."""
    (tmp_path / "colons.csv").write_text("user:item\nu:i\n")
    assert "a single one: fields are parted by" in headwater("check", "colons.csv", cwd=tmp_path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where a directory is wanted."""
    (tmp_path / "file").touch()
    assert "check the path" in headwater("simulate", "--out", "file/sub", cwd=tmp_path)


def test_a_setting_that_does_not_fit(tmp_path: Path) -> None:
    """Which one, and what was given."""
    output = headwater("up", "--data-dir", "data", "--redis-url", "nonsense", cwd=tmp_path)
    assert "redis_url = 'nonsense'" in output
    assert "HEADWATER_*" in output


def test_a_full_disk() -> None:
    """Which place, and that another can be chosen."""
    output = user_message(OSError(errno.ENOSPC, "No space left on device", "/data/store"))
    assert output is not None
    assert output.startswith("/data/store: the disk is full; free some space")


def test_a_full_disk_that_does_not_tell_its_place() -> None:
    """As where a write fails and not the opening: it is said how to find it."""
    assert "df -h" in str(user_message(OSError(errno.ENOSPC, "No space left on device")))


def test_an_environment_older_than_the_code() -> None:
    """A module that no extra brings: the environment is stale. One of ours is a fault of the program, and needs its traceback."""
    assert "older than the code; run `make install`" in str(user_message(ModuleNotFoundError("", name="newly_needed.part")))
    assert user_message(ModuleNotFoundError("", name="serving.absent")) is None


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    """Whether it was chosen or an old .venv has it: make says so before it installs anything."""
    old = tmp_path / "venv" / "bin" / "python"
    old.parent.mkdir(parents=True)
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "install", f"VENV={tmp_path / 'venv'}"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "older than 3.11, which Headwater needs: make clean, then make PYTHON=" in done.stderr


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    """It is nothing that a user can act on."""
    assert user_message(ZeroDivisionError()) is None
    assert user_message(OSError(errno.EPIPE, "Broken pipe")) is None


def test_every_error_of_the_lower_packages_is_shown_as_a_message() -> None:
    """Commands meet them all, but for two that their readers turn into a count or a dead letter."""
    found = [(name, module) for name, module in classes(("runtime", "feature_repo", "training")) if name.endswith("Error")]
    found += [(name, module) for name, module in classes(("deploy",)) if name.endswith("Error") and "drills" not in module]
    kept = [(name, module) for name, module in found if name not in ("RowError", "UnreadableError")]
    kinds = [getattr(importlib.import_module(module), name) for name, module in kept]
    assert len(kinds) > 15
    assert [kind.__name__ for kind in kinds if not issubclass(kind, UserError)] == []
    assert user_message(PortTakenError("port 1 is taken")) == "port 1 is taken"
