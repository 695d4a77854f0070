"""List of all metrics: read from the registries that the processes make, so that it cannot differ from them."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from serving.metrics import ServerMetrics
from streams.learning.metrics import LearnerMetrics
from streams.processors.metrics import FeatureMetrics
from streams.workers.metrics import WorkerMetrics

__all__ = ["Metric", "metrics", "page"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric as its process declares it."""

    process: str
    name: str
    """As Prometheus shows it, `_total` of a counter included."""
    kind: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...]
    """Upper bounds of a histogram's buckets, in the unit that the name ends with; empty for other kinds."""
    help: str


def metrics() -> list[Metric]:
    """All of ours, in the order in which they are declared; those of the Python process itself are left out."""
    return [metric for process, registry in _registries().items() for metric in _declared(process, registry)]


def page() -> str:
    """docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Written by `make generated` from the sources; a test fails when it is not current. Every process serves its own at",
        "`/metrics`, in base units, beside Python's (`process_*`, `python_*`). Labels are bounded: no ids of users or items.",
    ]
    for process, registry in _registries().items():
        lines += ["", f"## {process}", "", "| metric | kind | labels | what it says |", "| --- | --- | --- | --- |"]
        for metric in _declared(process, registry):
            buckets = f" Buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)}." if metric.buckets else ""
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help}{buckets} |")
    return "\n".join(lines) + "\n"


def _registries() -> dict[str, CollectorRegistry]:
    workers, features, learner = CollectorRegistry(), CollectorRegistry(), CollectorRegistry()
    WorkerMetrics(workers)
    FeatureMetrics(features, tasks=())
    LearnerMetrics(learner, tasks=())
    return {
        "Server": ServerMetrics().registry,
        "Every worker (features, catalogue, learner)": workers,
        "Features worker": features,
        "Learner": learner,
    }


def _declared(process: str, registry: CollectorRegistry) -> Iterator[Metric]:
    # The registry gives no public way to its collectors; what it collects lacks the labels of metrics without samples.
    for collector in registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            bounds = tuple(getattr(collector, "_kwargs", {}).get("buckets", ()))
            yield Metric(
                process=process,
                name=collector._name + ("_total" if collector._type == "counter" else ""),
                kind=str(collector._type),
                labels=tuple(collector._labelnames),
                buckets=bounds,
                help=collector._documentation,
            )
