"""Server's process: `python -m serving`, set by HEADWATER_* in the environment, ended by SIGTERM or SIGINT."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence

import structlog

from runtime.logging import configure_logging, log_settings
from runtime.supervisor import end_within
from serving.processes import CHILD, ServerProcesses
from serving.settings import ServerSettings

__all__ = ["main"]

_END_SECONDS = 20.0  # more than draining takes as it is set by default
_ALLOCATIONS = 50_000  # objects between two searches for cycles; Python's 700 make it search within every request


async def _serve(settings: ServerSettings, arguments: Sequence[str]) -> None:
    # Not before: what only watches other processes needs neither PyTorch nor Feast.
    from feature_repo.items.shared_memory import ItemSharedMemory
    from feature_repo.settings import FeatureSettings, StoreSettings
    from runtime.settings import KafkaSettings
    from runtime.tracing import TracingSettings, traces
    from serving.app import Application
    from training.encoding.settings import EncoderSettings

    features, kafka, store = FeatureSettings(), KafkaSettings(), StoreSettings()
    encoding, tracing = EncoderSettings(), TracingSettings()
    log_settings(settings, features, kafka, store, encoding, tracing)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if CHILD in arguments:
        loop.add_reader(sys.stdin, _stop_at_end, stopping)
    try:
        application = Application(
            settings,
            features=features,
            kafka=kafka,
            store=store,
            encoding=encoding,
            traces=traces(tracing, "server"),
            shared=ItemSharedMemory(*map(int, arguments[1:])) if len(arguments) > 1 else None,
        )
        # What is imported and made by now stays for good: looking through it for cycles held every request up for half a second.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_ALLOCATIONS, 20, 20)
        await application.start()
    except (OSError, RuntimeError, ValueError) as error:  # tasks file, encoder, ports: the message says what to do
        structlog.get_logger(__name__).error("server_not_started", error=str(error))
        sys.exit(1)
    told, failing = asyncio.create_task(stopping.wait()), asyncio.create_task(application.failure())
    await asyncio.wait((told, failing), return_when=asyncio.FIRST_COMPLETED)
    failed = failing.done()
    if failed:
        structlog.get_logger(__name__).error("server_failed", error=str(failing.result()), hint="it exits, to be restarted")
        end_within(_END_SECONDS)
    failing.cancel()
    await application.stop()
    if failed:
        sys.exit(1)


def _stop_at_end(stopping: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1):  # the parent is gone
        asyncio.get_running_loop().remove_reader(sys.stdin)
        stopping.set()


def _supervise(settings: ServerSettings) -> int:
    try:
        processes = ServerProcesses(settings)
    except OSError as error:
        structlog.get_logger(__name__).error("server_not_started", error=f"{settings.host}:{settings.port}: {error}")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: processes.stop())
    return processes.run()


def main() -> None:
    """Runs until told to stop."""
    configure_logging("json")
    settings = ServerSettings()
    if settings.processes == 1:
        asyncio.run(_serve(settings, sys.argv[1:]))
    else:
        sys.exit(_supervise(settings))


if __name__ == "__main__":
    main()
