"""Metrics of the learner."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from training.metrics.progress import Quality
from training.release.acceptance import REASONS
from training.release.guard import FATES, Verdict

__all__ = ["LearnerMetrics"]


class LearnerMetrics:
    """What the learner shows beside."""

    def __init__(self, registry: CollectorRegistry, tasks: Sequence[str]) -> None:
        self.learned = Counter("headwater_examples_learned_total", "Examples scored and learned from.", registry=registry)
        self.duplicates = Counter("headwater_examples_duplicate_total", "Examples seen before, passed over.", registry=registry)
        self.unusable = Counter(
            "headwater_examples_unusable_total", "Examples that were made for other tasks, or rejected.", registry=registry
        )
        self.unjudged = Counter(
            "headwater_labels_unjudged_total",
            "Labels of impressions whose prediction is not known any more: learned from, and in no figure.",
            registry=registry,
        )
        self.skipped = Counter(
            "headwater_batches_skipped_total", "Batches not learned from: their loss was not finite.", registry=registry
        )
        self.writes_refused = Counter(
            "headwater_learner_writes_refused_total",
            "Writes of checkpoint or snapshot that were refused, because another learner has taken over; this one ends.",
            registry=registry,
        )
        self.storage_retries = Counter(
            "headwater_learner_storage_retries_total",
            "Times that checkpoint or snapshots could not be reached; what was due is written later.",
            registry=registry,
        )
        self.published = Counter("headwater_snapshots_published_total", "Snapshots published.", registry=registry)
        self.rejected = Counter(
            "headwater_snapshots_rejected_total",
            "Judgements that weights did not pass; no task where it was about all of them.",
            ["task", "reason"],
            registry=registry,
        )
        self.verdicts = Counter(
            "headwater_task_verdicts_total",
            "Judgements on each task's part of the weights: passed; held or unjudged, its last good head stays published; "
            "refused, all weights are.",
            ["task", "verdict"],
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
            for fate in FATES:
                self.verdicts.labels(task, fate)
        self.auc = Gauge(
            "headwater_progressive_auc", "AUC of predictions made when items were shown.", ["task", "window"], registry=registry
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

    def observe_verdict(self, verdict: Verdict) -> None:
        """Counts what became of weights, and of each task's part."""
        if verdict.objection is not None:
            self.rejected.labels(verdict.objection.task, verdict.objection.reason).inc()
        self.undone.inc(verdict.undone)
        for task, fate in verdict.tasks.items():
            self.verdicts.labels(task, fate).inc()

    def observe_quality(self, task: str, window: str, quality: Quality) -> None:
        """Shows one task's progressive quality over one window."""
        self.auc.labels(task, window).set(quality.auc)
        self.rmse.labels(task, window).set(quality.rmse)
        self.log_loss.labels(task, window).set(quality.log_loss)
        self.calibration.labels(task, window).set(quality.calibration)
        self.calibration_error.labels(task, window).set(quality.calibration_error)
