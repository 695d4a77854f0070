"""Command that measures the event path and writes it down: `python -m benchmarks.streams [SECTION ...]`."""

import argparse
import logging
import warnings
from typing import Any

from benchmarks.results import measure_sections
from benchmarks.streams import brokers, codecs, latency, memory, report, stages, throughput
from deploy.drills.kafka import KafkaMissingError, find_kafka

_SECTIONS: dict[str, Any] = {
    "throughput": throughput.measure,
    "two_workers": throughput.measure_two,
    "brokers": brokers.measure,
    "stages": stages.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "codecs": codecs.measure,
}
_QUICK: dict[str, dict[str, Any]] = {
    "throughput": {"count": 20_000, "rounds": 1},
    "two_workers": {"count": 20_000},
    "brokers": {"count": 20_000, "rounds": 1, "seconds": 8.0},
    "stages": {"count": 16_000},
    "latency": {"seconds": 8.0},
    "memory": {"count": 60_000},
    "codecs": {"count": 4_000},
}


def main() -> None:
    """Measures the named sections, or all; the figures of the others stay as they are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=main.__doc__)
    parser.add_argument("sections", nargs="*", choices=[*_SECTIONS, []], metavar="SECTION", help=", ".join(_SECTIONS))
    parser.add_argument("--quick", action="store_true", help="fewer events, for development: tells the figures, writes none")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # kafka-python 3.0.12 reads its schemas in an old way
    chosen = {name: _SECTIONS[name] for name in arguments.sections or _SECTIONS}
    if "brokers" in chosen:
        try:
            find_kafka()
        except KafkaMissingError as error:
            print(f"brokers is left out: {error}", flush=True)
            del chosen["brokers"]
    if arguments.quick:
        for name, measure in chosen.items():
            measure(lambda text, name=name: print(f"{name}: {text}", flush=True), **_QUICK[name])
        return
    measure_sections("streams", chosen, part=report.part, charts=report.charts, headline=report.headline)


if __name__ == "__main__":
    main()
