"""The console's process: it ends when it is told to, however early."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy import local
from tests.broker import free_port


def test_a_console_that_is_starting_can_be_ended(tmp_path: Path) -> None:
    """SIGTERM after its first line, before it listens, is not lost."""
    environment = {
        "HEADWATER_CONSOLE_PORT": str(free_port()),
        "HEADWATER_TASKS_FILE": str(Path(local.__file__).with_name("tasks.toml")),
        "HEADWATER_STORE_DIRECTORY": str(tmp_path / "store"),
    }
    argv = [sys.executable, "-m", "deploy.console"]
    with subprocess.Popen(argv, env={**os.environ, **environment}, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"settings" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(60.0) in (0, -signal.SIGTERM)
        finally:
            process.kill()
