"""What a process logs of its settings holds no password."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECRETS = {
    "HEADWATER_STORE_REDIS_URL": "redis://ann:secret-of-redis@127.0.0.1:6379/0",
    "HEADWATER_KAFKA_SASL_PASSWORD": "secret-of-kafka",
    "HEADWATER_SNAPSHOT_DIR": "s3://key:secret-of-the-bucket@models/headwater",
}


@pytest.mark.parametrize(
    "module", ["serving", "streams.workers.features", "streams.workers.catalogue", "streams.workers.learner", "deploy.console"]
)
def test_a_process_tells_its_settings_and_no_password(module: str, tmp_path: Path) -> None:
    """Its first lines, before it ends for want of a tasks file, name the settings and mask what is secret."""
    environment = {**os.environ, **SECRETS, "PYTHONPATH": str(ROOT), "HEADWATER_TASKS_FILE": str(tmp_path / "absent.toml")}
    done = subprocess.run(
        [sys.executable, "-m", module], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "absent.toml" in output
    assert "://***@" in output
    assert "secret-of" not in output


PROGRAMS = (["-m", "streams.workers.features"], ["-c", "from deploy.cli import main; main()", "features", "ann"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_address_that_cannot_be_read_is_refused_without_its_password(program: list[str], tmp_path: Path) -> None:
    """The words name the setting and what is wrong with it."""
    wrong = {"HEADWATER_STORE_KIND": "redis", "HEADWATER_STORE_REDIS_URL": "redis://ann:secret-of-redis@:6379:port/0"}
    environment = {**os.environ, **wrong, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *program], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "redis_url" in output
    assert "valid URL" in output
    assert "secret-of" not in output
