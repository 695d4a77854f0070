"""The wheel that all images hold."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.docker.images import ROOT


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the Dockerfile builds it."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    [built] = directory.glob("*.whl")
    return built
