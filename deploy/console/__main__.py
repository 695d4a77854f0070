"""Owns the console's process: `python -m deploy.console`, set by HEADWATER_* in the environment, ended by SIGTERM or SIGINT."""

import asyncio
import time
from functools import partial

import grpc
import uvicorn

from deploy.console.app import console_app
from deploy.console.health import SystemHealth
from deploy.console.questions import Questions
from deploy.console.rows import Rows
from deploy.console.settings import ConsoleSettings
from feature_repo.settings import FeatureSettings, KafkaSettings, StoreSettings
from feature_repo.store import RowStore
from protos.recommender_pb2_grpc import RecommenderStub
from streams.worker import configure_logging
from training.snapshots import SnapshotStore

__all__ = ["main"]


async def _serve() -> None:
    settings, features, kafka, store = ConsoleSettings(), FeatureSettings(), KafkaSettings(), StoreSettings()
    configure_logging(settings, features, kafka, store)
    vocabulary = features.vocabulary()
    types = dict.fromkeys(kind for task in vocabulary.tasks for kind in task.item_types)
    async with grpc.aio.insecure_channel(settings.server) as channel:
        rows = Rows(partial(RowStore, store, vocabulary), vocabulary.counters, tuple(task.name for task in vocabulary.tasks))
        app = console_app(
            vocabulary=vocabulary,
            questions=Questions(RecommenderStub(channel), item_types=list(types), preview=settings.read_only),
            rows=rows,
            health=SystemHealth(settings.metrics_urls, SnapshotStore(settings.snapshot_dir, clock=time.time)),
            kafka=kafka,
            read_only=settings.read_only,
            hostnames=settings.hostnames,
        )
        config = uvicorn.Config(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)
        await uvicorn.Server(config).serve()
        rows.close()


def main() -> None:
    """Runs until told to stop."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
