"""Metrics of every worker process."""

from typing import get_args

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry, Counter, Gauge, Histogram

from feature_repo.decode import Reason
from runtime.metrics import (
    BROKER_SILENT_HELP,
    BROKER_SILENT_METRIC,
    ITEM_RECORDS_SKIPPED_HELP,
    ITEM_RECORDS_SKIPPED_METRIC,
)
from runtime.supervisor import failures_counter
from streams.consumer.group import Group

__all__ = ["WorkerMetrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class WorkerMetrics:
    """What every worker shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
            registry.register(collector)
        self.lag = Gauge(
            "headwater_consumer_lag_records",
            "Records in the log that are not finished yet; NaN while no broker tells.",
            ["topic"],
            registry=registry,
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
        self.broker_silent = Gauge(BROKER_SILENT_METRIC, BROKER_SILENT_HELP, registry=registry)
        self.rebalances = Counter(
            "headwater_consumer_rebalances_total",
            "Times that partitions were dealt to this worker.",
            ["topic"],
            registry=registry,
        )
        self.store_retries = Counter(
            "headwater_store_retries_total", "Attempts that the online store did not answer.", ["agent"], registry=registry
        )
        self.records_lost = Counter(
            "headwater_records_lost_total",
            "Records that the log lost before they were read, by retention or by its broker.",
            ["topic"],
            registry=registry,
        )
        self.store_rewinds = Counter(
            "headwater_store_rewinds_total",
            "Times that records were read again because the online store held less than was written to it.",
            ["agent"],
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "headwater_batch_seconds", "Time of one batch in one stage.", ["agent", "stage"], buckets=_SECONDS, registry=registry
        )
        self.dead_lettered = Counter(
            "headwater_events_dead_lettered_total", "Events that could not be used.", ["reason"], registry=registry
        )
        self.background_failures = failures_counter(registry)
        self.item_records_skipped = Counter(ITEM_RECORDS_SKIPPED_METRIC, ITEM_RECORDS_SKIPPED_HELP, registry=registry)
        self._shown: dict[str, set[int]] = {}
        for reason in get_args(Reason):  # from 0 on, so that a rate sees the first one too
            self.dead_lettered.labels(reason)

    def observe_group(self, group: Group) -> None:
        """Takes over how far a group's member has come, partition by partition."""
        topic, positions = group.topic.name, group.positions()
        self.lag.labels(topic).set(group.lag())
        self.last_commit_age.labels(topic).set(group.commit_age())
        for position in positions:
            self.end_offset.labels(topic, position.partition).set(position.end)
            self.committed_offset.labels(topic, position.partition).set(position.committed)
        mine = {position.partition for position in positions}
        for gone in self._shown.get(topic, set()) - mine:  # another worker shows it now
            self.end_offset.remove(topic, gone)
            self.committed_offset.remove(topic, gone)
        self._shown[topic] = mine
