"""A process given the jumping clock reads the time of day that the file says, while its monotonic clock and sleep stay true."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.drills.clock import clock_environment, faketime_library, set_clock

PROGRAM = """
import sys, time
for line in sys.stdin:
    began = time.monotonic()
    time.sleep(0.05)  # libfaketime alone lets any sleep fail
    assert time.monotonic() - began > 0.04
    print(time.time(), time.monotonic(), flush=True)
"""


def test_the_time_of_day_jumps_and_comes_back(tmp_path: Path) -> None:
    """An hour ahead, an hour behind, and right again, each seen within seconds."""
    library = faketime_library()
    if library is None:
        pytest.skip("needs libfaketime: apt-get install libfaketime")
    file = tmp_path / "clock"
    environment = {**os.environ, **clock_environment(library, file)}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for seconds in (0, 3600, -3600, 0):
            set_clock(file, seconds)
            deadline = time.monotonic() + 30.0
            while True:
                process.stdin.write("\n")
                process.stdin.flush()
                of_day, monotonic = map(float, process.stdout.readline().split())
                assert abs(monotonic - time.monotonic()) < 20.0
                if abs(of_day - time.time() - seconds) < 20.0:
                    break
                assert time.monotonic() < deadline, f"{of_day - time.time():.0f} s off, not {seconds}"
                time.sleep(0.1)
        process.stdin.close()
