"""Server's metrics: rate, errors and duration by method; seconds by stage; freshness; the model; what degraded."""

import time
from collections.abc import Callable

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry, Counter, Gauge, Histogram

from headwater.v1 import recommender_pb2
from runtime.metrics import (
    BROKER_SILENT_HELP,
    BROKER_SILENT_METRIC,
    FRESHNESS_BUCKETS,
    FRESHNESS_HELP,
    FRESHNESS_METRIC,
    ITEM_RECORDS_SKIPPED_HELP,
    ITEM_RECORDS_SKIPPED_METRIC,
)
from runtime.supervisor import failures_counter
from serving.api.responses import DegradationReason, Info, ResponseTimings

__all__ = ["ServerMetrics"]

_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_METHODS = tuple(method.name for method in recommender_pb2.DESCRIPTOR.services_by_name["RecommenderService"].methods)
_CODES = ("OK", "CANCELLED", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE")


class ServerMetrics:
    """All of them, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
            registry.register(collector)
        self.handled = Counter("grpc_server_handled_total", "Requests answered.", ["grpc_method", "grpc_code"], registry=registry)
        for method in _METHODS:  # from 0 on, so that a rate sees the first error too
            for code in _CODES:
                self.handled.labels(method, code)
        self.handling = Histogram(
            "grpc_server_handling_seconds", "Time to answer.", ["grpc_method"], buckets=_SECONDS, registry=registry
        )
        for method in _METHODS:
            self.handling.labels(method)
        self.in_flight = Gauge("headwater_requests_in_flight", "Requests being answered.", registry=registry)
        self.stage = Histogram(
            "headwater_stage_seconds", "Time in one stage of an answer.", ["stage"], buckets=_SECONDS, registry=registry
        )
        freshness = Histogram(FRESHNESS_METRIC, FRESHNESS_HELP, ["stage"], buckets=FRESHNESS_BUCKETS, registry=registry)
        self.event_to_served = freshness.labels("served")
        self.degraded = Counter(
            "headwater_degraded_total", "Answers that were less than full ones.", ["reason"], registry=registry
        )
        for reason in DegradationReason:
            self.degraded.labels(reason.name.lower())
        self.recommendations_repeated = Counter(
            "headwater_recommendations_repeated_total",
            "Recommendations given once more to a request of the same request_id.",
            registry=registry,
        )
        self.impressions_dropped = Counter(
            "headwater_impressions_dropped_total", "Impressions that were not written to the log.", registry=registry
        )
        self._refused = Counter("headwater_calls_refused_total", "Calls not let in.", ["reason"], registry=registry)
        for why in ("missing", "unknown", "expired", "scope", "rate"):
            self._refused.labels(why)
        self.model_version = Gauge(
            "headwater_model_version", "Number of the snapshot that scores; 0 for none.", registry=registry
        )
        self.model_age = Gauge("headwater_model_age_seconds", "Since the snapshot was published.", registry=registry)
        self.snapshots_rejected = Counter(
            "headwater_model_load_failures_total", "Snapshots that could not be served.", registry=registry
        )
        self.catalogue_items = Gauge("headwater_catalogue_items", "Items that can be recommended.", registry=registry)
        self.encoder_mismatches = Gauge(
            "headwater_encoder_mismatch_items",
            "Items left out, because only another encoder has written their vectors.",
            registry=registry,
        )
        self.background_failures = failures_counter(registry)
        self.mirror_lag = Gauge(
            "headwater_mirror_lag_records", "Item records not yet in the table; NaN while no broker tells.", registry=registry
        )
        self.broker_silent = Gauge(BROKER_SILENT_METRIC, BROKER_SILENT_HELP, registry=registry)
        self.item_records_skipped = Counter(ITEM_RECORDS_SKIPPED_METRIC, ITEM_RECORDS_SKIPPED_HELP, registry=registry)

    def observe_answer(self, report: ResponseTimings, info: Info) -> None:
        """Counts what one answer reports of itself."""
        for stage, seconds in report.stages.items():
            self.stage.labels(stage).observe(seconds)
        if report.event_to_served is not None:
            self.event_to_served.observe(report.event_to_served)
        for degradation in info.degradations:
            self.degraded.labels(degradation.reason.name.lower()).inc()

    def refuse(self, reason: str) -> None:
        """Counts a call that was not let in; the reasons are those of serving/api/auth.py."""
        self._refused.labels(reason).inc()

    def follow_model(self, version: int, created_at: float, clock: Callable[[], float] = time.time) -> None:
        """The model that scores from now on; `created_at` in Unix seconds."""
        self.model_version.set(version)
        self.model_age.set_function(lambda: clock() - created_at)
