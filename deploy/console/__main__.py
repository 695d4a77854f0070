"""Console's process: `python -m deploy.console`, set by HEADWATER_* in the environment, ended by SIGTERM or SIGINT."""

import asyncio
import signal
import time
from functools import partial

import grpc
import structlog
import uvicorn

from deploy.console.app import console_app
from deploy.console.health import SystemHealth
from deploy.console.queries import Queries
from deploy.console.rows import Rows
from deploy.console.settings import ConsoleSettings
from feature_repo.settings import FeatureSettings, StoreSettings
from feature_repo.store import RowStore
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from runtime.logging import configure_logging, log_settings
from runtime.settings import KafkaSettings
from serving.api.auth import Access
from serving.api.tokens import TokenFile
from training.storage.snapshots import SnapshotStore

__all__ = ["main"]

_GRACE_SECONDS = 3  # an open page asks again and again: it must not hold up the end


async def _serve() -> None:
    settings, features, kafka, store = ConsoleSettings(), FeatureSettings(), KafkaSettings(), StoreSettings()
    configure_logging()
    log_settings(settings, features, kafka, store)
    vocabulary = features.vocabulary()
    types = dict.fromkeys(kind for task in vocabulary.tasks for kind in task.item_types)
    async with _channel(settings) as channel:
        rows = Rows(partial(RowStore, store, vocabulary), vocabulary)
        app = console_app(
            vocabulary=vocabulary,
            queries=Queries(RecommenderServiceStub(channel), item_types=list(types)),
            rows=rows,
            health=SystemHealth(settings.metrics_urls, SnapshotStore(settings.snapshot_dir, clock=time.time)),
            kafka=kafka,
            read_only=settings.read_only,
            hostnames=settings.hostnames,
            access=_access(settings),
        )
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        # uvicorn stops in order, then raises the signal again. Set while it runs: it would overwrite an earlier handler.
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        await uvicorn.Server(config).serve()
        rows.close()


def _access(settings: ConsoleSettings) -> Access | None:
    if settings.tokens_file is None:
        return None
    log, tokens = structlog.get_logger(__name__), TokenFile(settings.tokens_file, monotonic=time.monotonic)
    return Access(
        tokens,
        refused=lambda reason: log.info("console_refused", reason=reason),
        clock=time.time,
        monotonic=time.monotonic,
    )


def _channel(settings: ConsoleSettings) -> grpc.aio.Channel:
    if settings.server_ca is None:
        return grpc.aio.insecure_channel(settings.server)
    credentials = grpc.ssl_channel_credentials(root_certificates=settings.server_ca.read_bytes())
    return grpc.aio.secure_channel(settings.server, credentials)


def main() -> None:
    """Runs until told to stop."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
