"""Command that measures serving and writes it down: `python -m benchmarks.serving [SECTION ...]`."""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.results import measure_sections
from benchmarks.serving import report
from benchmarks.serving.catalogue import measure_catalogue
from benchmarks.serving.crowd import measure_crowd
from benchmarks.serving.deployment import Deployment, running_deployment
from benchmarks.serving.latency import measure_floor, measure_latency, measure_plain
from benchmarks.serving.load import LoadClient
from benchmarks.serving.pressure import measure_pressure
from benchmarks.serving.processes import measure_processes
from benchmarks.serving.sizes import measure_candidates
from benchmarks.serving.swaps import measure_swaps

_SECTIONS: dict[str, Callable[[Deployment, LoadClient, Callable[[str], None]], dict[str, Any]]] = {
    "latency": measure_latency,
    "plain": measure_plain,
    "floor": measure_floor,
    "pressure": measure_pressure,
    "crowd": measure_crowd,
    "candidates": measure_candidates,
    "catalogue": measure_catalogue,
    "processes": measure_processes,
    "swaps": measure_swaps,
}


def main() -> None:
    """Measures the named sections, or all; the figures of the others stay as they are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=main.__doc__)
    parser.add_argument("sections", nargs="*", choices=[*_SECTIONS, []], metavar="SECTION", help=", ".join(_SECTIONS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with LoadClient() as client, running_deployment(say=print) as deployment:
        chosen = {name: partial(_SECTIONS[name], deployment, client) for name in arguments.sections or _SECTIONS}
        measure_sections("serving", chosen, part=report.part, charts=report.charts, headline=report.headline)


if __name__ == "__main__":
    main()
