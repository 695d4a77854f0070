"""Features worker: events in, fresh user and item rows out. Run with `python -m streams.workers.features`."""

import asyncio
import sys
import time
from functools import partial

from prometheus_client import CollectorRegistry

from feature_repo.items.mirror import ItemMirror
from feature_repo.items.table import ItemTable
from feature_repo.owned_rows import OwnedRows
from feature_repo.settings import FeatureSettings, StoreSettings
from feature_repo.store import RowStore
from headwater.v1.topics import EVENTS, ITEM_ACTIONS
from runtime.broker.rights import FEATURES_ITEMS_GROUP, FEATURES_USERS_GROUP, PROCESSES
from runtime.logging import configure_logging, log_settings
from runtime.publisher import Publisher
from runtime.settings import KafkaSettings
from runtime.tracing import Traces, TracingSettings, traces
from streams.pipeline import BatchPipeline
from streams.processors.item import ItemProcessor, ItemWork
from streams.processors.metrics import FeatureMetrics
from streams.processors.user import UserProcessor, UserWork
from streams.settings import WorkerSettings
from streams.spans import trace_folds
from streams.workers.agent import define_agent
from streams.workers.worker import Worker
from training.encoding.encoder import TextEncoder
from training.encoding.settings import EncoderSettings

__all__ = ["main"]


class _Observer:
    """Counts what batches led to, and traces where that is on."""

    def __init__(self, worker: Worker, metrics: FeatureMetrics, spans: Traces) -> None:
        self._worker, self._metrics, self._spans = worker, metrics, spans

    def users(self, work: UserWork) -> None:
        """Of events."""
        now = time.time()
        self._metrics.observe(work, now=now)
        self._metrics.observe_cache("users", work.cache)
        self._worker.observe_rejected(work.rejected)
        if self._spans.on:
            trace_folds(self._spans, work, now)

    def items(self, work: ItemWork) -> None:
        """Of actions for items."""
        self._metrics.item_actions.inc(work.folded)
        self._metrics.observe_cache("items", work.cache)
        self._worker.observe_rejected(work.rejected)


async def _run() -> int:
    kafka, store_settings, settings, features = KafkaSettings(), StoreSettings(), WorkerSettings(), FeatureSettings()
    encoder_settings, tracing = EncoderSettings(), TracingSettings()
    configure_logging()
    log_settings(kafka, store_settings, settings, features, encoder_settings, tracing)
    spans, vocabulary, encoder = traces(tracing, "features"), features.vocabulary(), TextEncoder(encoder_settings.items())
    table, registry = ItemTable(vocabulary, dimensions=encoder.dimension), CollectorRegistry()
    worker = Worker("features", kafka=kafka, settings=settings, registry=registry, rights=PROCESSES["features"])
    mirror = ItemMirror(table, kafka, encoder_version=encoder.version, foreign_ratio=features.encoder_mismatch_ratio)
    mirror.on_skipped(worker.metrics.item_records_skipped.inc)
    publisher, store = Publisher(kafka), RowStore(store_settings, vocabulary)
    user_group, item_group = worker.group(FEATURES_USERS_GROUP, EVENTS), worker.group(FEATURES_ITEMS_GROUP, ITEM_ACTIONS)
    user_rows = OwnedRows(store, FEATURES_USERS_GROUP, log=user_group.log)
    item_rows = OwnedRows(store, FEATURES_ITEMS_GROUP, log=item_group.log)
    cached = settings.cached_rows
    users = UserProcessor(table=table, store=user_rows, log=user_group.log, clock=time.time, cached_rows=cached)
    items = ItemProcessor(vocabulary, store=item_rows, clock=time.time, cached_rows=cached)
    pipeline = partial(BatchPipeline, publisher=publisher, executor=worker.executor, observe_seconds=worker.observe_seconds)
    tasks = [task.name for task in vocabulary.tasks]
    observer = _Observer(worker, FeatureMetrics(registry, tasks), spans)
    define_agent(worker, user_group, pipeline("users", users, ownership=user_rows), observe=observer.users)
    define_agent(worker, item_group, pipeline("items", items, ownership=item_rows), observe=observer.items)

    if not await worker.admitted():
        return worker.status
    mirror.start(worker.supervisor.thread)
    await publisher.start()
    try:
        if not await worker.items_ready(mirror):
            return worker.status
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
