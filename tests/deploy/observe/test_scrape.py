"""Readings of a real prometheus_client registry give back what was observed."""

import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from deploy.observe.scrape import Reading, parse, quantile


def read(registry: CollectorRegistry) -> Reading:
    """What a scrape of the registry would give."""
    return parse(generate_latest(registry).decode())


def test_totals_sum_over_labels_and_default_to_zero() -> None:
    """A counter's labels are added up; a counter that does not exist yet is 0."""
    registry = CollectorRegistry()
    counter = Counter("dead", "", ["reason"], registry=registry)
    counter.labels("future").inc(2)
    counter.labels("unparseable").inc(3)
    assert read(registry).total("dead_total") == 5.0
    assert read(registry).total("absent_total") == 0.0


def test_a_quantile_counts_only_what_came_between_the_readings() -> None:
    """Slow observations of before do not move the later quantiles."""
    registry = CollectorRegistry()
    seconds = Histogram("seconds", "", buckets=(0.1, 0.2, 0.4), registry=registry)
    for _ in range(50):
        seconds.observe(0.39)
    before = read(registry)
    for value in (0.05, 0.15, 0.15, 0.15):
        seconds.observe(value)
    assert quantile(0.5, "seconds", before, read(registry)) == pytest.approx(0.1 + 0.1 * (2 - 1) / 3)
    assert quantile(0.99, "seconds", Reading(), before) == pytest.approx(0.2 + 0.2 * 0.99)


def test_beyond_the_last_bound_and_without_observations() -> None:
    """The highest finite bound stands for all above it; nothing observed has no quantile."""
    registry = CollectorRegistry()
    seconds = Histogram("seconds", "", buckets=(0.1, 0.2), registry=registry)
    assert math.isnan(quantile(0.5, "seconds", Reading(), read(registry)))
    seconds.observe(5.0)
    assert quantile(0.5, "seconds", Reading(), read(registry)) == 0.2
