"""Owns the command that measures the event path and writes it down: `python -m benchmarks.streams [SECTION ...]`."""

import argparse
import logging
import warnings

from benchmarks.results import Section, measure_sections
from benchmarks.streams import latency, memory, report, stages, throughput

_SECTIONS: dict[str, Section] = {
    "throughput": throughput.measure,
    "two_workers": throughput.measure_two,
    "stages": stages.measure,
    "latency": latency.measure,
    "memory": memory.measure,
}


def main() -> None:
    """Measures the named sections, or all; the figures of the others stay as they are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=main.__doc__)
    parser.add_argument("sections", nargs="*", choices=[*_SECTIONS, []], metavar="SECTION", help=", ".join(_SECTIONS))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # kafka-python 3.0.12 reads its schemas in an old way
    chosen = {name: _SECTIONS[name] for name in arguments.sections or _SECTIONS}
    measure_sections("streams", chosen, part=report.part, charts=report.charts, headline=report.headline)


if __name__ == "__main__":
    main()
