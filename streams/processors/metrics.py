"""Metrics of the features worker."""

from collections.abc import Sequence

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge

from runtime.metrics import FRESHNESS_BUCKETS, FRESHNESS_HELP, FRESHNESS_METRIC, BatchHistogram
from streams.processors.row_cache import CacheUse
from streams.processors.user import UserWork

__all__ = ["FeatureMetrics"]

_SKEWS = (-600.0, -60.0, -10.0, -1.0, -0.1, 0.0, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0)


class FeatureMetrics:
    """What the features worker shows beside."""

    def __init__(self, registry: CollectorRegistry, tasks: Sequence[str]) -> None:
        self.folded = Counter("headwater_events_folded_total", "Events counted in a user's row.", registry=registry)
        self.duplicates = Counter(
            "headwater_events_duplicate_total", "Events seen before and not counted again.", registry=registry
        )
        self.late = Counter(
            "headwater_events_late_total", "Events older than their user's newest; folded as of their time.", registry=registry
        )
        self.wrong_partition = Counter(
            "headwater_events_wrong_partition_total",
            "Events in another partition than the one before of their user: producers use different partitioners.",
            registry=registry,
        )
        self.erased_before = Counter(
            "headwater_events_erased_before_total",
            "Events of before their user asked to be forgotten; not counted.",
            registry=registry,
        )
        self.forgotten = Counter("headwater_users_forgotten_total", "Users whose rows were erased.", registry=registry)
        self.examples = Counter("headwater_examples_published_total", "Labelled examples sent to the learner.", registry=registry)
        self.clipped = Counter(
            "headwater_values_clipped_total",
            "Values outside their task's declared or running range; each counts as the nearest within.",
            ["task"],
            registry=registry,
        )
        for task in tasks:  # from 0 on, so that a rate sees the first one too
            self.clipped.labels(task)
        self.item_actions = Counter("headwater_item_actions_folded_total", "Actions counted in an item's row.", registry=registry)
        self.cache_hits = Counter(
            "headwater_row_cache_hits_total", "Rows that a batch needed and found in memory.", ["rows"], registry=registry
        )
        self.cache_misses = Counter(
            "headwater_row_cache_misses_total", "Rows that a batch needed and read from the store.", ["rows"], registry=registry
        )
        self.cache_rows = Gauge("headwater_row_cache_rows", "Rows in memory.", ["rows"], registry=registry)
        freshness = BatchHistogram(FRESHNESS_METRIC, FRESHNESS_HELP, ["stage"], buckets=FRESHNESS_BUCKETS, registry=registry)
        self.event_to_feature = freshness.labels("feature")
        self.append_delay = BatchHistogram(
            "headwater_occurred_to_appended_seconds",
            "From when an event happened, by its producer's clock, to its append to the log; below 0 that clock runs ahead.",
            buckets=_SKEWS,
            registry=registry,
        )

    def observe(self, work: UserWork, *, now: float) -> None:
        """Takes over the counts of a batch whose rows were written at `now` (Unix seconds)."""
        self.folded.inc(len(work.folded_appended_at))
        self.duplicates.inc(work.duplicates)
        self.late.inc(work.late)
        self.wrong_partition.inc(work.wrong_partition)
        self.erased_before.inc(work.erased_before)
        self.forgotten.inc(work.forgotten)
        self.examples.inc(work.examples)
        for task, count in work.clipped.items():
            self.clipped.labels(task).inc(count)
        self.event_to_feature.observe_all(np.maximum(now - np.array(work.folded_appended_at), 0.0))
        self.append_delay.observe_all(work.append_delays)

    def observe_cache(self, rows: str, use: CacheUse | None) -> None:
        """Takes over how a batch found its rows, which are of `users` or `items`."""
        if use is not None:
            self.cache_hits.labels(rows).inc(use.hits)
            self.cache_misses.labels(rows).inc(use.misses)
            self.cache_rows.labels(rows).set(use.rows)
