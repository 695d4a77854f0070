"""Owns the metrics of several processes as those of one: counters add up, and stay when a process ends; gauges tell the worst."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

__all__ = ["MergedMetrics"]

_ADDED_GAUGES = (
    "headwater_requests_in_flight",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
)
"""Other gauges are the highest of any process: of lag and of age the worst, and what all agree on."""

_Key = tuple[str, tuple[tuple[str, str], ...]]


class MergedMetrics(Collector):
    """Collects from the texts that processes give; nothing is kept in files, so no file is left when a process ends.

    `running()` gives what every running process says of itself at the moment, in Prometheus' text format.
    """

    def __init__(self, running: Callable[[], Sequence[str]]) -> None:
        self._running = running
        self._ended: list[Metric] = []

    def keep(self, text: str) -> None:
        """What a process said last before it ended: its counts still count, or a sum would fall as if all had restarted."""
        counts = [family for family in _families(text) if family.type in ("counter", "histogram")]
        self._ended = list(_merged([self._ended, counts]))

    def collect(self) -> Iterator[Metric]:
        return _merged([self._ended, *map(_families, self._running())])


def _families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def _merged(processes: Sequence[Sequence[Metric]]) -> Iterator[Metric]:
    families: dict[str, Metric] = {}
    values: dict[str, dict[_Key, float]] = {}
    for family in (family for process in processes for family in process):
        families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        held = values.setdefault(family.name, {})
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key not in held:
                held[key] = sample.value
            elif family.type == "gauge" and family.name not in _ADDED_GAUGES:
                held[key] = max(held[key], sample.value)
            else:
                held[key] += sample.value
    for name, family in families.items():
        for (sample_name, labels), value in values[name].items():
            family.add_sample(sample_name, dict(labels), value)
        yield family
