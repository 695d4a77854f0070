"""Catalogue worker: changes in, encoded entries out. Run with `python -m streams.workers.catalogue`."""

import asyncio
import sys
import time
from functools import partial

import kafka as _kafka  # noqa: F401  before Feast, whose import puts every library's deprecation warnings on standard error
import torch
from prometheus_client import CollectorRegistry

from feature_repo.settings import FeatureSettings, StoreSettings
from feature_repo.store import RowStore
from headwater.v1.topics import CATALOGUE
from runtime.broker.rights import CATALOGUE_GROUPS, PROCESSES, with_prefixed
from runtime.logging import configure_logging, log_settings
from runtime.publisher import Publisher
from runtime.settings import KafkaSettings
from streams.pipeline import BatchPipeline
from streams.processors.catalogue import CatalogueProcessor
from streams.settings import CatalogueSettings, WorkerSettings
from streams.workers.agent import define_agent
from streams.workers.worker import Worker
from training.encoding.cache import CachedEncoder, VectorCache
from training.encoding.encoder import TextEncoder
from training.encoding.settings import EncoderSettings

__all__ = ["main"]

_ENCODED_TOGETHER = 500


async def _run() -> int:
    kafka, store_settings, features = KafkaSettings(), StoreSettings(), FeatureSettings()
    settings = WorkerSettings().holding(_ENCODED_TOGETHER)
    encoder_settings, own = EncoderSettings(), CatalogueSettings()
    configure_logging()
    log_settings(kafka, store_settings, settings, features, encoder_settings, own)
    cache = VectorCache(own.cache_dir / "vectors.db")
    encoder = CachedEncoder(TextEncoder(encoder_settings.items()), cache)
    # The group is the encoder's own: another encoder reads the whole (compacted) catalogue again and encodes all of it.
    group_name = f"{CATALOGUE_GROUPS}{encoder.version}"
    worker = Worker(
        "catalogue",
        kafka=kafka,
        settings=settings,
        registry=CollectorRegistry(),
        rights=with_prefixed(PROCESSES["catalogue"], group_name),
        prepare_thread=partial(torch.set_num_threads, own.encoder_threads),
    )
    publisher, store = Publisher(kafka), RowStore(store_settings, features.vocabulary())
    processor = CatalogueProcessor(encoder=encoder, store=store, clock=time.time)
    pipeline = BatchPipeline(
        "catalogue", processor, publisher=publisher, executor=worker.executor, observe_seconds=worker.observe_seconds
    )
    group = worker.group(group_name, CATALOGUE)
    define_agent(worker, group, pipeline, observe=lambda work: worker.observe_rejected(work.rejected))
    if not await worker.admitted():
        return worker.status
    await publisher.start()
    try:
        return await worker.run()
    finally:
        await publisher.stop()
        cache.close()


def main() -> None:
    """Runs the worker until SIGTERM; exits with 1 after a failure."""
    sys.exit(asyncio.run(_run()))


if __name__ == "__main__":
    main()
