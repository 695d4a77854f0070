"""Owns the catalogue worker: changes in, encoded entries out. Run with `python -m streams.catalogue`."""

import asyncio
import sys
import time
from typing import Any

import torch
from prometheus_client import CollectorRegistry

from feature_repo.settings import FeatureSettings, KafkaSettings, StoreSettings
from feature_repo.store import RowStore
from protos.topics import CATALOGUE
from streams.catalogue_agent import CatalogueProcessor, CatalogueWork
from streams.health import Health, MonitoringServer
from streams.metrics import WorkerMetrics
from streams.pipeline import Pipeline
from streams.publisher import Publisher
from streams.settings import EncoderSettings, WorkerSettings
from streams.worker import Worker, configure_logging
from training.cache import CachedEncoder, VectorCache
from training.encoder import EncoderConfig, TextEncoder

__all__ = ["define_catalogue_agent", "main"]


def define_catalogue_agent(worker: Worker, pipeline: Pipeline[CatalogueWork], metrics: WorkerMetrics) -> None:
    """Registers the agent that encodes catalogue changes."""

    @worker.app.agent(worker.topic(CATALOGUE), name="catalogue")
    async def encode_changes(stream: Any) -> None:
        try:
            async for taken in worker.batches(stream):
                work = await pipeline.handle(taken.records)
                if work is not None:
                    worker.acknowledge(taken.events)
                    for reason, count in work.rejected.items():
                        metrics.dead_lettered.labels(reason).inc(count)
        except Exception as error:
            worker.fail(error)


async def _run() -> int:
    kafka, store_settings, settings, features = KafkaSettings(), StoreSettings(), WorkerSettings(), FeatureSettings()
    encoder_settings = EncoderSettings()
    configure_logging(kafka, store_settings, settings, features, encoder_settings)
    torch.set_num_threads(encoder_settings.encoder_threads)
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    health = Health(stall_seconds=settings.stall_seconds)
    monitoring = MonitoringServer(settings.metrics_host, settings.metrics_port, registry=registry, health=health)
    monitoring.start()
    cache = VectorCache(encoder_settings.cache_dir / "vectors.db")
    encoder = CachedEncoder(TextEncoder(EncoderConfig(model=encoder_settings.encoder)), cache)
    # The group is the encoder's own: another encoder reads the whole (compacted) catalogue again and encodes all of it.
    name = f"headwater-catalogue-{encoder.version}"
    worker = Worker(name, kafka=kafka, settings=settings, metrics=metrics, health=health)
    publisher, store = Publisher(kafka), RowStore(store_settings, features.vocabulary())
    pipeline = Pipeline(
        "catalogue",
        CatalogueProcessor(encoder=encoder, store=store, clock=time.time),
        publisher=publisher,
        executor=worker.executor,
        observe_seconds=lambda agent, stage, seconds: metrics.batch_seconds.labels(agent, stage).observe(seconds),
    )
    worker.before_leaving(pipeline.leave)
    define_catalogue_agent(worker, pipeline, metrics)
    await publisher.start()
    try:
        return await worker.run()
    finally:
        await publisher.stop()
        monitoring.stop()
        cache.close()


def main() -> None:
    """Runs the worker until SIGTERM; exits with 1 after a failure."""
    sys.exit(asyncio.run(_run()))


if __name__ == "__main__":
    main()
