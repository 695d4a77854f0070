"""Owns the command that runs the failure drills and writes down what they cost: `python -m benchmarks.drills [DRILL ...]`."""

import argparse
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.drills import report
from benchmarks.results import measure_sections, rounded
from deploy.cli.up import interrupt_on_signals
from deploy.drills.disk import small_disk
from deploy.drills.drill import DRILLS, Drill
from deploy.drills.run import run
from deploy.drills.system import System, running_system

_BUILD = Path("build") / "drills"


def main() -> None:
    """Runs the named drills, or all, one after the other on one system; the figures of the others stay as they are."""
    drills = {drill.name: drill for drill in DRILLS}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drills", description=main.__doc__)
    parser.add_argument("drills", nargs="*", choices=[*drills, []], metavar="DRILL", help=", ".join(drills))
    chosen = parser.parse_args().drills or list(drills)
    interrupt_on_signals()  # so that what was started and mounted goes with this command, however it ends
    shutil.rmtree(_BUILD, ignore_errors=True)
    with ExitStack() as cleanup:
        disk = cleanup.enter_context(small_disk(_BUILD.resolve() / "disk"))
        print("starting the system", flush=True)
        system = cleanup.enter_context(running_system(_BUILD.resolve(), snapshot_dir=disk))
        sections = {name: partial(_drill, drills[name], system) for name in chosen}
        measure_sections(
            "drills", sections, part=report.part, charts=lambda results: {}, headline=report.headline, command="make drills"
        )


def _drill(drill: Drill, system: System, say: Callable[[str], None]) -> dict[str, Any]:
    if why := drill.impossible(system):
        say(f"skipped: {why}")
        return {"what": drill.what, "skipped": why}
    outcome = rounded(asdict(run(drill, system, say)))
    say(", ".join(f"{name} {value}" for name, value in outcome.items()))
    return {"what": drill.what, **outcome}


if __name__ == "__main__":
    main()
