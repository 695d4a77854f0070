"""Command that runs the failure drills and writes down what they cost: `python -m benchmarks.drills [DRILL ...]`."""

import argparse
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.drills import report
from benchmarks.results import Section, measure_sections, rounded
from deploy.cli.up import interrupt_on_signals
from deploy.drills.cluster import CLUSTER_DRILLS, drilled_cluster
from deploy.drills.disk import small_disk
from deploy.drills.drill import DRILLS, Drill
from deploy.drills.kafka import KafkaMissingError
from deploy.drills.run import run
from deploy.drills.system import System, running_system

_BUILD = Path("build") / "drills"


def main() -> None:
    """Runs the named drills, or all, one after the other on one system; the figures of the others stay as they are."""
    names = [drill.name for drill in (*DRILLS, *CLUSTER_DRILLS)]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drills", description=main.__doc__)
    parser.add_argument("drills", nargs="*", choices=[*names, []], metavar="DRILL", help=", ".join(names))
    chosen = parser.parse_args().drills or names
    interrupt_on_signals()  # so that what was started and mounted goes with this command, however it ends
    shutil.rmtree(_BUILD, ignore_errors=True)
    one, several = ([drill for drill in drills if drill.name in chosen] for drills in (DRILLS, CLUSTER_DRILLS))
    directory = _BUILD.resolve()
    with ExitStack() as cleanup:
        if one:
            disk = cleanup.enter_context(small_disk(directory / "disk"))
            print("starting the system", flush=True)
            system = cleanup.enter_context(running_system(directory / "system", snapshot_dir=disk))
            _measure({drill.name: partial(_drill, drill, system) for drill in one})
    with ExitStack() as cleanup:
        if several:
            print("starting a cluster of Apache Kafka, and the system on it", flush=True)
            try:
                cluster = cleanup.enter_context(drilled_cluster(directory / "kafka"))
            except KafkaMissingError as error:
                print(f"the drills of a cluster are left out: {error}", flush=True)
                return
            system = cleanup.enter_context(running_system(directory / "on-kafka", snapshot_dir=None, cluster=cluster))
            _measure({drill.name: partial(_drill, drill, system) for drill in several})


def _measure(sections: Mapping[str, Section]) -> None:
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
