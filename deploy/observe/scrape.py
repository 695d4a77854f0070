"""Reading a process's GET /metrics: totals, and quantiles of a histogram between two readings."""

import math
import urllib.request
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Reading", "parse", "quantile", "read", "scrape"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Samples of one process at one moment: values by sample name, summed over labels, and cumulative buckets of histograms."""

    values: dict[str, float] = field(default_factory=dict)
    buckets: dict[str, dict[float, float]] = field(default_factory=dict)

    def total(self, name: str) -> float:
        """Sum over all labels; 0 where the process has not counted any yet."""
        return self.values.get(name, 0.0)


def scrape(port: int) -> Reading:
    """Reads the process that serves /metrics on a port of this machine; raises OSError if it does not answer."""
    return read(f"http://127.0.0.1:{port}/metrics")


def read(url: str) -> Reading:
    """Reads the /metrics at `url`; raises OSError if it does not answer."""
    with urllib.request.urlopen(url, timeout=5.0) as response:
        return parse(response.read().decode())


def parse(text: str) -> Reading:
    """A reading from Prometheus' text format.

    >>> parse('# TYPE a counter\\na_total{x="1"} 2.0\\na_total{x="2"} 3.0\\n').total("a_total")
    5.0
    """
    reading = Reading()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                counts = reading.buckets.setdefault(family.name, {})
                bound = float(sample.labels["le"])
                counts[bound] = counts.get(bound, 0.0) + sample.value
            else:
                reading.values[sample.name] = reading.values.get(sample.name, 0.0) + sample.value
    return reading


def quantile(q: float, name: str, before: Reading, after: Reading) -> float:
    """Quantile of what a histogram observed between two readings, linear within a bucket as PromQL's histogram_quantile.

    Above the highest finite bound it gives that bound; NaN if nothing was observed.
    """
    earlier = before.buckets.get(name, {})
    cumulative = sorted((bound, count - earlier.get(bound, 0.0)) for bound, count in after.buckets.get(name, {}).items())
    if not cumulative or cumulative[-1][1] <= 0:
        return math.nan
    wanted = q * cumulative[-1][1]
    low, below = 0.0, 0.0
    for bound, count in cumulative:
        if count >= wanted:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (wanted - below) / (count - below) if count > below else bound
        low, below = bound, count
    return low
