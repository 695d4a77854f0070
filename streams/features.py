"""Owns the features worker: events in, fresh user and item rows out. Run with `python -m streams.features`."""

import asyncio
import sys
import time
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from feature_repo.log import log_ids
from feature_repo.mirror import ItemMirror
from feature_repo.settings import FeatureSettings, KafkaSettings, StoreSettings
from feature_repo.store import RowStore
from feature_repo.table import ItemTable
from protos.topics import EVENTS, ITEM_ACTIONS
from streams.health import Health, MonitoringServer
from streams.item_agent import ItemProcessor, ItemWork
from streams.metrics import FeatureMetrics, WorkerMetrics
from streams.pipeline import Pipeline
from streams.publisher import Publisher
from streams.settings import EncoderSettings, WorkerSettings
from streams.user_agent import UserProcessor, UserWork
from streams.worker import Worker, configure_logging
from training.encoder import EncoderConfig, TextEncoder

__all__ = ["define_item_agent", "define_user_agent", "main"]

_log = structlog.get_logger(__name__)


def define_user_agent(worker: Worker, pipeline: Pipeline[UserWork], metrics: FeatureMetrics, dead_letters: Any) -> None:
    """Registers the agent that folds events into users' rows."""

    @worker.app.agent(worker.topic(EVENTS), name="users")
    async def fold_users(stream: Any) -> None:
        try:
            async for taken in worker.batches(stream):
                work = await pipeline.handle(taken.records)
                if work is not None:
                    worker.acknowledge(taken.events)
                    _observe_users(work, metrics, dead_letters)
        except Exception as error:
            worker.fail(error)


def define_item_agent(worker: Worker, pipeline: Pipeline[ItemWork], metrics: FeatureMetrics) -> None:
    """Registers the agent that folds actions into items' rows."""

    @worker.app.agent(worker.topic(ITEM_ACTIONS), name="items")
    async def fold_items(stream: Any) -> None:
        try:
            async for taken in worker.batches(stream):
                work = await pipeline.handle(taken.records)
                if work is not None:
                    worker.acknowledge(taken.events)
                    metrics.item_actions.inc(work.folded)
        except Exception as error:
            worker.fail(error)


def _observe_users(work: UserWork, metrics: FeatureMetrics, dead_letters: Any) -> None:
    now = time.time()
    metrics.folded.inc(len(work.folded_appended_at))
    metrics.duplicates.inc(work.duplicates)
    metrics.late.inc(work.late)
    metrics.examples.inc(work.examples)
    for reason, count in work.rejected.items():
        dead_letters.labels(reason).inc(count)
    for appended_at in work.folded_appended_at:
        metrics.event_to_feature.observe(max(now - appended_at, 0.0))


async def _run() -> int:
    kafka, store_settings, settings, features = KafkaSettings(), StoreSettings(), WorkerSettings(), FeatureSettings()
    encoder_settings = EncoderSettings()
    configure_logging(kafka, store_settings, settings, features, encoder_settings)
    vocabulary = features.vocabulary()
    dimension = TextEncoder(EncoderConfig(model=encoder_settings.encoder)).dimension
    table = ItemTable(vocabulary, dimensions=dimension)
    registry = CollectorRegistry()
    worker_metrics, metrics = WorkerMetrics(registry), FeatureMetrics(registry)
    health = Health(stall_seconds=settings.stall_seconds)
    monitoring = MonitoringServer(settings.metrics_host, settings.metrics_port, registry=registry, health=health)
    monitoring.start()
    worker = Worker("headwater-features", kafka=kafka, settings=settings, metrics=worker_metrics, health=health)
    mirror, publisher, store = ItemMirror(table, kafka), Publisher(kafka), RowStore(store_settings, vocabulary)
    logs: dict[str, int] = {}

    def observe_seconds(agent: str, stage: str, seconds: float) -> None:
        worker_metrics.batch_seconds.labels(agent, stage).observe(seconds)

    users = Pipeline(
        "users",
        UserProcessor(table=table, store=store, log=lambda: logs[EVENTS.name], clock=time.time, cached_rows=settings.cached_rows),
        publisher=publisher,
        executor=worker.executor,
        observe_seconds=observe_seconds,
    )
    items = Pipeline(
        "items",
        ItemProcessor(vocabulary, store=store, clock=time.time, cached_rows=settings.cached_rows),
        publisher=publisher,
        executor=worker.executor,
        observe_seconds=observe_seconds,
    )

    async def identify_logs() -> None:
        # Asked at every assignment: a topic may have been created anew while this worker ran.
        logs.update(await asyncio.to_thread(log_ids, kafka, (EVENTS.name,)))

    worker.on_arrival(identify_logs)
    worker.before_leaving(users.leave)
    worker.before_leaving(items.leave)
    define_user_agent(worker, users, metrics, worker_metrics.dead_lettered)
    define_item_agent(worker, items, metrics)

    mirror.start()
    await publisher.start()
    try:
        await identify_logs()
        if not await asyncio.to_thread(mirror.wait_ready, settings.ready_timeout_seconds):
            _log.error("items_not_read", seconds=settings.ready_timeout_seconds, hint="check the topics with `headwater topics`")
            return 1
        return await worker.run()
    finally:
        await publisher.stop()
        mirror.stop()
        monitoring.stop()


def main() -> None:
    """Runs the worker until SIGTERM; exits with 1 after a failure."""
    sys.exit(asyncio.run(_run()))


if __name__ == "__main__":
    main()
