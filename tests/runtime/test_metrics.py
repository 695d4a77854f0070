"""Many values observed at once, and the metrics of several processes merged."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from runtime.metrics import BatchHistogram, MergedMetrics


@given(
    st.lists(st.floats(-1e6, 1e6) | st.sampled_from([-1.0, 0.0, 0.5, 2.0]), max_size=50),
    st.sampled_from([(-1.0, 0.0, 0.5), (0.5, 2.0)]),
)
def test_many_at_once_count_as_one_by_one(values: list[float], bounds: tuple[float, ...]) -> None:
    """Values on a bound included."""
    registries = CollectorRegistry(), CollectorRegistry()
    at_once = BatchHistogram("seconds", "Time.", buckets=bounds, registry=registries[0])
    one_by_one = Histogram("seconds", "Time.", buckets=bounds, registry=registries[1])
    at_once.observe_all(values)
    for value in values:
        one_by_one.observe(value)
    found, wanted = (
        [
            (sample.name, sample.labels, sample.value)
            for family in registry.collect()
            for sample in family.samples
            if not sample.name.endswith("_created")
        ]
        for registry in registries
    )
    assert [one[:2] for one in found] == [one[:2] for one in wanted]
    assert all(math.isclose(one[2], other[2], abs_tol=1e-6) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("order", [1, -1])
def test_a_gauge_that_one_process_does_not_know_is_not_known(order: int) -> None:
    """A lag of NaN must not be hidden by another process's 0."""
    texts = ["# TYPE lag gauge\nlag 0\n", "# TYPE lag gauge\nlag NaN\n"][::order]
    [family] = MergedMetrics(lambda: texts).collect()
    assert math.isnan(family.samples[0].value)
