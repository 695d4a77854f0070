"""Owns the features worker: events in, fresh user and item rows out. Run with `python -m streams.features`."""

import asyncio
import sys
import time

import structlog
from prometheus_client import CollectorRegistry

from feature_repo.log import log_ids
from feature_repo.mirror import ItemMirror
from feature_repo.settings import FeatureSettings, KafkaSettings, StoreSettings
from feature_repo.store import RowStore
from feature_repo.table import ItemTable
from feature_repo.tracing import TracingSettings, traces
from protos.topics import EVENTS, ITEM_ACTIONS
from streams.agent import define_agent
from streams.item_agent import ItemProcessor, ItemWork
from streams.metrics import FeatureMetrics
from streams.pipeline import Pipeline
from streams.publisher import Publisher
from streams.settings import WorkerSettings
from streams.spans import trace_folds
from streams.user_agent import UserProcessor, UserWork
from streams.worker import Worker, configure_logging
from training.encoder import TextEncoder
from training.settings import EncoderSettings

__all__ = ["main"]

_log = structlog.get_logger(__name__)


async def _run() -> int:
    kafka, store_settings, settings, features = KafkaSettings(), StoreSettings(), WorkerSettings(), FeatureSettings()
    encoder_settings = EncoderSettings()
    tracing = TracingSettings()
    configure_logging(kafka, store_settings, settings, features, encoder_settings, tracing)
    spans = traces(tracing, "features")
    vocabulary = features.vocabulary()
    encoder = TextEncoder(encoder_settings.items())
    table = ItemTable(vocabulary, dimensions=encoder.dimension)
    registry = CollectorRegistry()
    metrics = FeatureMetrics(registry)
    worker = Worker("features", kafka=kafka, settings=settings, registry=registry)
    mirror = ItemMirror(table, kafka, encoder_version=encoder.version, foreign_ratio=features.foreign_items_ratio)
    mirror.on_failure(worker.fail_from_thread)
    publisher, store = Publisher(kafka), RowStore(store_settings, vocabulary)
    logs: dict[str, int] = {}

    async def identify_log() -> None:
        # Asked at every assignment: the topic may have been created anew while this worker ran.
        logs.update(await asyncio.to_thread(log_ids, kafka, (EVENTS.name,)))

    user_processor = UserProcessor(
        table=table, store=store, log=lambda: logs[EVENTS.name], clock=time.time, cached_rows=settings.cached_rows
    )
    item_processor = ItemProcessor(vocabulary, store=store, clock=time.time, cached_rows=settings.cached_rows)
    users = Pipeline(
        "users", user_processor, publisher=publisher, executor=worker.executor, observe_seconds=worker.observe_seconds
    )
    items = Pipeline(
        "items", item_processor, publisher=publisher, executor=worker.executor, observe_seconds=worker.observe_seconds
    )

    def observe_users(work: UserWork) -> None:
        now = time.time()
        metrics.observe(work, now=now)
        metrics.observe_cache("users", work.cache)
        worker.observe_rejected(work.rejected)
        if spans.on:
            trace_folds(spans, work, now)

    def observe_items(work: ItemWork) -> None:
        metrics.item_actions.inc(work.folded)
        metrics.observe_cache("items", work.cache)
        worker.observe_rejected(work.rejected)

    user_group = worker.group("headwater-features-users", EVENTS)
    user_group.on_arrival(identify_log)
    define_agent(worker, user_group, users, observe=observe_users)
    define_agent(worker, worker.group("headwater-features-items", ITEM_ACTIONS), items, observe=observe_items)

    mirror.start()
    await publisher.start()
    try:
        if not await worker.items_ready(mirror):
            return 1
        return await worker.run()
    finally:
        await publisher.stop()
        mirror.stop()
        spans.stop()


def main() -> None:
    """Runs the worker until SIGTERM; exits with 1 after a failure."""
    sys.exit(asyncio.run(_run()))


if __name__ == "__main__":
    main()
