"""Health as the console shows it: freshness, latency, counts of the last minute, and learning curves."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from deploy.observe.scrape import Reading, quantile, read
from runtime.metrics import FRESHNESS_METRIC
from training.storage.snapshots import Manifest, SnapshotStore, version_name

__all__ = ["SystemHealth"]

_WINDOW_SECONDS = 60.0
_MOST_POINTS = 500
_TIMES = {
    "event_to_feature": ("features", FRESHNESS_METRIC),
    "event_to_served": ("server", FRESHNESS_METRIC),
    "answer": ("server", "grpc_server_handling_seconds"),
}
_COUNTS = {
    "folded": ("features", "headwater_events_folded_total"),
    "duplicates": ("features", "headwater_events_duplicate_total"),
    "examples_learned": ("learner", "headwater_examples_learned_total"),
    "items": ("server", "headwater_catalogue_items"),
    "degraded": ("server", "headwater_degraded_total"),
    "snapshots_rejected": ("learner", "headwater_snapshots_rejected_total"),
}
_LETTERS = "headwater_events_dead_lettered_total"
_LAG = "headwater_consumer_lag_records"


class SystemHealth:
    """Reads /metrics of the processes and the snapshots at each look; quantiles are over about the last minute."""

    def __init__(
        self, metrics_urls: Mapping[str, str], snapshots: SnapshotStore, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._urls, self._snapshots, self._clock = metrics_urls, snapshots, clock
        self._earlier: deque[tuple[float, dict[str, Reading]]] = deque()
        self._manifests: dict[int, Manifest] = {}

    def look(self) -> dict[str, Any]:
        """What the page shows; blocks for the time of a few HTTP requests. Raises SnapshotError for damaged snapshots."""
        readings, silent = {}, []
        for process, url in self._urls.items():
            try:
                readings[process] = read(url)
            except OSError:
                silent.append(process)
        now = self._clock()
        while len(self._earlier) > 1 and now - self._earlier[1][0] >= _WINDOW_SECONDS:
            self._earlier.popleft()
        before = self._earlier[0][1] if self._earlier else {}
        self._earlier.append((now, readings))
        return {
            "silent": silent,
            "times": {
                name: _times(metric, before.get(process), readings.get(process)) for name, (process, metric) in _TIMES.items()
            },
            "counts": {
                name: readings[process].total(metric) for name, (process, metric) in _COUNTS.items() if process in readings
            },
            "dead_letters": sum(reading.total(_LETTERS) for reading in readings.values()),
            "lag": _known(sum(reading.total(_LAG) for reading in readings.values())),
            "learning": self._learning(),
        }

    def _learning(self) -> dict[str, Any]:
        current = self._snapshots.current()
        for version in self._snapshots.versions():
            if version not in self._manifests:
                self._manifests[version] = self._snapshots.manifest(version)
        while len(self._manifests) > _MOST_POINTS:
            del self._manifests[min(self._manifests)]
        points = [{"examples": one.examples, "metrics": one.metrics} for one in self._manifests.values()]
        serving = self._manifests.get(current or 0)
        return {
            "version": None if current is None else version_name(current),
            "published_at": None if serving is None else serving.created_at,
            "points": points,
        }


def _known(number: float) -> float | None:
    """None, as JSON says it, in place of NaN."""
    return None if math.isnan(number) else number


def _times(metric: str, before: Reading | None, after: Reading | None) -> dict[str, float] | None:
    """Median and 99th percentile in seconds over the window, else since the process began; None if nothing was observed."""
    if after is None:
        return None
    for start in (before or Reading(), Reading()):
        found = {"p50_s": quantile(0.5, metric, start, after), "p99_s": quantile(0.99, metric, start, after)}
        if math.isfinite(found["p50_s"]):
            return found
    return None
