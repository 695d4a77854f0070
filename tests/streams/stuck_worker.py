"""Worker whose thread never comes back from a batch; run as `python -m tests.streams.stuck_worker`."""

import asyncio
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from headwater.v1.topics import ITEM_ACTIONS
from runtime.logging import configure_logging, log_settings
from runtime.publisher import Publisher
from runtime.record import Publication, Record
from runtime.settings import KafkaSettings
from streams.pipeline import BatchPipeline
from streams.settings import WorkerSettings
from streams.workers.agent import define_agent
from streams.workers.worker import Worker


@dataclass
class _Nothing:
    publications: list[Publication] = field(default_factory=list)


class _Stuck:
    """As a call without a time limit to something that never answers."""

    def process(self, records: Sequence[Record]) -> _Nothing:
        threading.Event().wait()
        return _Nothing()

    def write(self, work: _Nothing) -> Sequence[Publication]:
        return ()

    def forget(self) -> None: ...


async def _run() -> int:
    kafka, settings = KafkaSettings(), WorkerSettings()
    configure_logging()
    log_settings(kafka, settings)
    worker = Worker("stuck", kafka=kafka, settings=settings, registry=CollectorRegistry(), rights=())
    pipeline = BatchPipeline(
        "stuck", _Stuck(), publisher=Publisher(kafka), executor=worker.executor, observe_seconds=worker.observe_seconds
    )
    define_agent(worker, worker.group("stuck", ITEM_ACTIONS), pipeline, observe=lambda work: None)
    return await worker.run() if await worker.admitted() else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(_run()))
