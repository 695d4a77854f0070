"""Command that soaks the system and writes down what grew: `python -m benchmarks.soak [--minutes N]`."""

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.results import measure_sections
from benchmarks.soak import report
from deploy.cli.up import interrupt_on_signals
from deploy.drills.soak import soak, trends
from deploy.drills.system import running_system

_BUILD = Path("build") / "soak"
_SAMPLES = 120


def main() -> None:
    """Runs the load for so long; exits with 1 if anything grew or an event is not counted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    minutes = parser.parse_args().minutes
    interrupt_on_signals()  # so that what was started and mounted goes with this command, however it ends
    shutil.rmtree(_BUILD, ignore_errors=True)
    passed: list[bool] = []
    sections = {"soak": partial(_soak, minutes, passed)}
    measure_sections("soak", sections, part=report.part, charts=report.charts, command="make soak")
    sys.exit(0 if all(passed) else 1)


def _soak(minutes: float, passed: list[bool], say: Callable[[str], None]) -> dict[str, Any]:
    seconds = 60.0 * minutes
    with running_system(_BUILD.resolve(), snapshot_dir=None) as system:
        samples, load, uncounted = soak(system, seconds=seconds, every=max(seconds / _SAMPLES, 1.0), say=say)
    found = {quantity: {name: asdict(trend) for name, trend in by_name.items()} for quantity, by_name in trends(samples).items()}
    flat = [trend["flat"] for by_name in found.values() for trend in by_name.values()]
    passed += [*flat, not uncounted]
    answers = load.answers()
    say("everything is flat" if all(flat) else f"{flat.count(False)} of {len(flat)} lines rise")
    if uncounted:
        say(f"{uncounted:,} events are not counted after the soak")
    return {
        "minutes": minutes,
        "events": load.sent.total(),
        "uncounted": uncounted,
        "requests": answers.asked,
        "failed": answers.failed.total(),
        "flat": all(flat),
        "trends": found,
        "samples": [asdict(sample) for sample in samples],
    }


if __name__ == "__main__":
    main()
