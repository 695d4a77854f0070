"""Baselines of the features worker: a no-op Faust agent, and bare aiokafka, on the same topic.

Run as `python -m benchmarks.streams.floors noop|getmany BOOTSTRAP COUNT`; prints records/s after the first tenth.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer

from headwater.v1.topics import EVENTS
from runtime.settings import KafkaSettings
from streams.consumer.app import faust_app
from streams.consumer.transport import prompt_transport
from streams.settings import WorkerSettings

__all__ = ["main"]


class _Meter:
    """Counts records and tells their rate after the first tenth, in which caches and connections warm up."""

    def __init__(self, count: int) -> None:
        self._count, self._seen, self._warm, self._began = count, 0, count // 10, 0.0
        self.done = asyncio.Event()
        self.per_second = 0.0

    def add(self, records: int) -> None:
        before, self._seen = self._seen, self._seen + records
        if before < self._warm <= self._seen:
            self._warm, self._began = self._seen, time.perf_counter()
        if self._seen >= self._count and not self.done.is_set():
            self.per_second = (self._seen - self._warm) / (time.perf_counter() - self._began)
            self.done.set()


async def _noop(kafka: KafkaSettings, meter: _Meter) -> None:
    """The plainest agent there is, in a group with the same settings as the worker's; Faust acknowledges each event itself."""
    settings = WorkerSettings()
    app = faust_app("noop", kafka=kafka, settings=settings, buffered=2 * settings.batch_size)
    app.conf.consumer_auto_offset_reset = "earliest"  # the worker finds its own beginning; Faust needs the setting
    app.transport = prompt_transport(app, fetch_wait_seconds=settings.fetch_wait_seconds)

    async def body(stream: Any) -> None:
        async for _ in stream:
            meter.add(1)

    app.agent(app.topic(EVENTS.name, key_serializer="raw", value_serializer="raw"))(body)
    await app.start()
    await meter.done.wait()
    await app.stop()


async def _getmany(kafka: KafkaSettings, meter: _Meter) -> None:
    consumer = AIOKafkaConsumer(EVENTS.name, auto_offset_reset="earliest", fetch_max_wait_ms=50, **kafka.aiokafka_options())
    await consumer.start()
    while not meter.done.is_set():
        for records in (await consumer.getmany(timeout_ms=100)).values():
            meter.add(len(records))
    await consumer.stop()


def main() -> None:
    """Measures one of the two and prints its rate."""
    name, bootstrap, count = sys.argv[1:]
    floors: dict[str, Callable[[KafkaSettings, _Meter], Any]] = {"noop": _noop, "getmany": _getmany}

    async def run() -> float:
        meter = _Meter(int(count))
        await floors[name](KafkaSettings(bootstrap_servers=bootstrap), meter)
        return meter.per_second

    print(asyncio.run(run()))


if __name__ == "__main__":
    main()
