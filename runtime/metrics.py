"""Parts of metrics: the freshness metric, a histogram filled by the batch, and the metrics of several processes merged."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike
from prometheus_client import Histogram, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

__all__ = [
    "BROKER_SILENT_HELP",
    "BROKER_SILENT_METRIC",
    "FRESHNESS_BUCKETS",
    "FRESHNESS_HELP",
    "FRESHNESS_METRIC",
    "ITEM_RECORDS_SKIPPED_HELP",
    "ITEM_RECORDS_SKIPPED_METRIC",
    "BatchHistogram",
    "MergedMetrics",
]

BROKER_SILENT_METRIC = "headwater_broker_silent_seconds"
BROKER_SILENT_HELP = "Time since a broker last answered and refused nothing."
FRESHNESS_METRIC = "headwater_freshness_seconds"
FRESHNESS_HELP = (
    "How long events take, by stage; `feature`: from the append to the log until the user's row is written; `served`: from a "
    "user's newest event to the first answer that counts it (events under an hour old)."
)
FRESHNESS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
ITEM_RECORDS_SKIPPED_METRIC = "headwater_item_records_skipped_total"
ITEM_RECORDS_SKIPPED_HELP = (
    "Records of items that this process's table cannot take over: of other tasks, another encoder, or bad."
)


class BatchHistogram(Histogram):
    """A histogram that can also observe many values at once, where it has labels by `labels(...)`."""

    def observe_all(self, values_B: ArrayLike) -> None:
        """The same as `observe` of each."""
        values_B = np.asarray(values_B, dtype=float)
        buckets = np.searchsorted(np.array(self._upper_bounds), values_B)
        for bucket, count in enumerate(np.bincount(buckets, minlength=len(self._buckets)).tolist()):
            if count:
                self._buckets[bucket].inc(count)
        self._sum.inc(float(values_B.sum()))


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
                held[key] = max(held[key], sample.value, key=lambda value: (math.isnan(value), value))  # unknown is worst
            else:
                held[key] += sample.value
    for name, family in families.items():
        for (sample_name, labels), value in values[name].items():
            family.add_sample(sample_name, dict(labels), value)
        yield family
