"""Owns the server's process: `python -m serving`, set by HEADWATER_* in the environment, ended by SIGTERM or SIGINT."""

import asyncio
import signal
import sys

import structlog

from feature_repo.settings import FeatureSettings, KafkaSettings, StoreSettings
from feature_repo.tracing import TracingSettings, traces
from serving.app import Application
from serving.settings import ServerSettings

__all__ = ["main"]


async def _serve() -> None:
    settings, features, kafka, store = ServerSettings(), FeatureSettings(), KafkaSettings(), StoreSettings()
    tracing = TracingSettings()
    effective = {type(part).__name__: part.model_dump(mode="json") for part in (settings, features, kafka, store, tracing)}
    structlog.get_logger(__name__).info("settings", **effective)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        application = Application(settings, features=features, kafka=kafka, store=store, traces=traces(tracing, "server"))
        await application.start()
    except (OSError, RuntimeError, ValueError) as error:  # tasks file, encoder, ports: the message says what to do
        structlog.get_logger(__name__).error("server_not_started", error=str(error))
        sys.exit(1)
    await stopping.wait()
    await application.stop()


def main() -> None:
    """Runs until told to stop."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
