"""The application in an environment of its own, as pipx and `uv tool` make one: its command works there without the sources."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.wheels import Wheels, closure, link, new_environment


@pytest.fixture(scope="module")
def command(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`headwater` of an environment that holds both wheels and what an installation without extras brings."""
    directory = tmp_path_factory.mktemp("tool") / "environment"
    packages = new_environment(directory, wheels.client, wheels.application)
    link(closure("headwater", frozenset()), packages)
    return directory / "bin" / "headwater"


def run(command: Path, *arguments: str, directory: Path, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """In a directory and an environment that know nothing of the sources."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HEADWATER_"))}
    return subprocess.run(
        [str(command), *arguments],
        cwd=directory,
        env={**environment, "COLUMNS": "200"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_says_its_version(command: Path, tmp_path: Path) -> None:
    """Which is that of the distribution."""
    done = run(command, "--version", directory=tmp_path)
    assert (done.returncode, done.stdout) == (0, "headwater 0.1.0\n"), done.stderr


def test_the_command_works_without_the_sources(command: Path, tmp_path: Path) -> None:
    """Every command shows its help; one that needs no extra gets as far as the broker; one that does says what to install."""
    helped = run(command, "--help", directory=tmp_path)
    assert helped.returncode == 0, helped.stderr
    assert all(name in helped.stdout for name in ("demo", "up", "produce", "recommend", "topics"))
    away = run(command, "produce", "--bootstrap-servers", "127.0.0.1:1", directory=tmp_path, stdin="{}\n")
    assert away.returncode == 1
    assert "127.0.0.1:1" in away.stderr
    assert "Traceback" not in away.stderr
    extra = run(command, "up", directory=tmp_path)
    assert extra.returncode == 1
    assert "pip install CLONE/clients/python 'CLONE[" in extra.stderr
