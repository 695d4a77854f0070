"""Owns the metrics of the stream workers; one registry a process, made by its composition root."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry, Counter, Gauge, Histogram

from feature_repo.decode import Reason
from feature_repo.freshness import FRESHNESS_BUCKETS, FRESHNESS_HELP, FRESHNESS_METRIC
from streams.consumer.group import Group
from streams.histogram import BatchHistogram
from streams.processors.row_cache import CacheUse
from streams.processors.user import UserWork
from training.metrics.progress import Quality
from training.release.acceptance import REASONS

__all__ = ["FeatureMetrics", "LearnerMetrics", "WorkerMetrics"]

_SKEWS = (-600.0, -60.0, -10.0, -1.0, -0.1, 0.0, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class WorkerMetrics:
    """What every worker shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
            registry.register(collector)
        self.lag = Gauge(
            "headwater_consumer_lag_records", "Records in the log that are not finished yet.", ["topic"], registry=registry
        )
        self.last_commit_age = Gauge(
            "headwater_last_commit_age_seconds", "Time since offsets last moved.", ["topic"], registry=registry
        )
        self.end_offset = Gauge(
            "headwater_consumer_end_offset",
            "Offset behind the last record in the log.",
            ["topic", "partition"],
            registry=registry,
        )
        self.committed_offset = Gauge(
            "headwater_consumer_committed_offset",
            "Offset up to which all is finished.",
            ["topic", "partition"],
            registry=registry,
        )
        self.rebalances = Counter(
            "headwater_consumer_rebalances_total",
            "Times that partitions were dealt to this worker.",
            ["topic"],
            registry=registry,
        )
        self.store_retries = Counter(
            "headwater_store_retries_total", "Attempts that the online store did not answer.", ["agent"], registry=registry
        )
        self.batch_seconds = Histogram(
            "headwater_batch_seconds", "Time of one batch in one stage.", ["agent", "stage"], buckets=_SECONDS, registry=registry
        )
        self.dead_lettered = Counter(
            "headwater_events_dead_lettered_total", "Events that could not be used.", ["reason"], registry=registry
        )
        self._shown: dict[str, set[int]] = {}
        for reason in get_args(Reason):  # from 0 on, so that a rate sees the first one too
            self.dead_lettered.labels(reason)

    def observe_group(self, group: Group) -> None:
        """Takes over how far a group's member has come, partition by partition."""
        topic, positions = group.topic.name, group.positions()
        self.lag.labels(topic).set(sum(position.lag for position in positions))
        self.last_commit_age.labels(topic).set(group.commit_age())
        for position in positions:
            self.end_offset.labels(topic, position.partition).set(position.end)
            self.committed_offset.labels(topic, position.partition).set(position.committed)
        mine = {position.partition for position in positions}
        for gone in self._shown.get(topic, set()) - mine:  # another worker shows it now
            self.end_offset.remove(topic, gone)
            self.committed_offset.remove(topic, gone)
        self._shown[topic] = mine


class FeatureMetrics:
    """What the features worker shows beside."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.folded = Counter("headwater_events_folded_total", "Events counted in a user's row.", registry=registry)
        self.duplicates = Counter(
            "headwater_events_duplicate_total", "Events seen before and not counted again.", registry=registry
        )
        self.late = Counter(
            "headwater_events_late_total", "Events older than their user's newest; folded as of their time.", registry=registry
        )
        self.strayed = Counter(
            "headwater_events_strayed_total",
            "Events in another partition than the one before of their user: producers use different partitioners.",
            registry=registry,
        )
        self.barred = Counter(
            "headwater_events_barred_total",
            "Events of before their user asked to be forgotten; not counted.",
            registry=registry,
        )
        self.forgotten = Counter("headwater_users_forgotten_total", "Users whose rows were erased.", registry=registry)
        self.examples = Counter("headwater_examples_published_total", "Labelled examples sent to the learner.", registry=registry)
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
        self.strayed.inc(work.strayed)
        self.barred.inc(work.barred)
        self.forgotten.inc(work.forgotten)
        self.examples.inc(work.examples)
        self.event_to_feature.observe_all(np.maximum(now - np.array(work.folded_appended_at), 0.0))
        self.append_delay.observe_all(work.append_delays)

    def observe_cache(self, rows: str, use: CacheUse | None) -> None:
        """Takes over how a batch found its rows, which are of `users` or `items`."""
        if use is not None:
            self.cache_hits.labels(rows).inc(use.hits)
            self.cache_misses.labels(rows).inc(use.misses)
            self.cache_rows.labels(rows).set(use.rows)


class LearnerMetrics:
    """What the learner shows beside."""

    def __init__(self, registry: CollectorRegistry, tasks: Sequence[str]) -> None:
        self.learned = Counter("headwater_examples_learned_total", "Examples scored and learned from.", registry=registry)
        self.duplicates = Counter("headwater_examples_duplicate_total", "Examples seen before, passed over.", registry=registry)
        self.unusable = Counter(
            "headwater_examples_unusable_total", "Examples that do not fit this learner's tasks.", registry=registry
        )
        self.skipped = Counter(
            "headwater_batches_skipped_total", "Batches not learned from: their loss was not finite.", registry=registry
        )
        self.published = Counter("headwater_snapshots_published_total", "Snapshots published.", registry=registry)
        self.rejected = Counter(
            "headwater_snapshots_rejected_total",
            "Judgements that weights did not pass; no task where it was about all of them.",
            ["task", "reason"],
            registry=registry,
        )
        self.undone = Counter(
            "headwater_examples_undone_total",
            "Examples forgotten again, since weights that had learned them did not pass.",
            registry=registry,
        )
        self.drifts = Counter(
            "headwater_drifts_total", "Times that a task's progressive loss moved to another level.", ["task"], registry=registry
        )
        self.challenger_gain = Gauge(
            "headwater_challenger_gain_ratio",
            "Part of the champion's progressive loss that the challenger saves; negative where it is worse.",
            ["task"],
            registry=registry,
        )
        for task in tasks:  # from 0 on, so that a rate sees the first one too
            self.drifts.labels(task)
            self.challenger_gain.labels(task)
            for reason in REASONS:
                self.rejected.labels(task, reason)
        self.auc = Gauge(
            "headwater_progressive_auc", "AUC of predictions made before learning.", ["task", "window"], registry=registry
        )
        self.rmse = Gauge(
            "headwater_progressive_rmse", "RMSE of the same, in training space.", ["task", "window"], registry=registry
        )
        self.log_loss = Gauge(
            "headwater_progressive_log_loss",
            "Log loss of the same in nats; binary tasks.",
            ["task", "window"],
            registry=registry,
        )
        self.calibration = Gauge(
            "headwater_progressive_calibration_ratio",
            "Mean prediction over mean label of the same; 1 is right.",
            ["task", "window"],
            registry=registry,
        )
        self.calibration_error = Gauge(
            "headwater_progressive_calibration_error_ratio",
            "Expected calibration error of the same: mean distance of chance and rate over 15 bins; binary tasks, 0 is right.",
            ["task", "window"],
            registry=registry,
        )

    def observe_quality(self, task: str, window: str, quality: Quality) -> None:
        """Shows one task's progressive quality over one window."""
        self.auc.labels(task, window).set(quality.auc)
        self.rmse.labels(task, window).set(quality.rmse)
        self.log_loss.labels(task, window).set(quality.log_loss)
        self.calibration.labels(task, window).set(quality.calibration)
        self.calibration_error.labels(task, window).set(quality.calibration_error)
