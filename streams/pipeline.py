"""Owns the order of steps by which an event counts once: fold, publish and await, write, confirm, and only then acknowledge."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

import structlog

from feature_repo.store import StoreUnavailable
from runtime.backoff import pauses
from runtime.record import Publication, Record

__all__ = ["Pipeline", "Processor", "Publishes", "Work"]

_log = structlog.get_logger(__name__)


class Work(Protocol):
    """What a batch led to, ready to publish and to write."""

    publications: list[Publication]


W = TypeVar("W", bound=Work)
R = TypeVar("R")


class Processor(Protocol[W]):
    """The pure part of an agent."""

    def process(self, records: Sequence[Record]) -> W: ...

    def write(self, work: W) -> Sequence[Publication]:
        """Writes the rows; returns what may be published only now, since it says that they are written."""
        ...

    def forget(self) -> None: ...


class Publishes(Protocol):
    """Publishes records and returns when all are acknowledged; `runtime.publisher.Publisher` does."""

    async def publish(self, publications: Sequence[Publication]) -> None: ...


class Pipeline(Generic[W]):
    """Runs one processor's batches, one at a time, with everything that blocks on the process's executor.

    A batch is published before it is written: what a crash between the two publishes again is recognised by its source.
    """

    def __init__(
        self,
        name: str,
        processor: Processor[W],
        *,
        publisher: Publishes,
        executor: Executor,
        observe_seconds: Callable[[str, str, float], None],
        retry_pauses: Callable[[], Iterator[float]] = lambda: pauses(random.Random()),
    ) -> None:
        """Args: `observe_seconds(name, stage, seconds)` hears how long each stage took; `retry_pauses` gives seconds between
        attempts while the store is away."""
        self.name = name
        self._processor, self._publisher, self._executor = processor, publisher, executor
        self._observe, self._retry_pauses = observe_seconds, retry_pauses
        self._turn = asyncio.Lock()
        self._away = asyncio.Event()
        self._retried: list[Callable[[str], None]] = []

    def on_retry(self, hear: Callable[[str], None]) -> None:
        """Registers who hears, in words, of each attempt that the store did not answer."""
        self._retried.append(hear)

    async def handle(self, records: Sequence[Record]) -> W | None:
        """Processes a batch to its end; None if its partitions go away first, and then it must not be acknowledged.

        Raises:
            PublishError: the broker did not take what the batch led to; only a restart brings rows and log together again.
        """
        async with self._turn:
            if self._away.is_set():
                return None
            work = await self._insist("fold", lambda: self._processor.process(records))
            if work is None:
                return None
            began = time.perf_counter()
            await self._publisher.publish(work.publications)
            self._observe(self.name, "publish", time.perf_counter() - began)
            confirmations = await self._insist("write", lambda: self._processor.write(work))
            if confirmations is None:
                return None
            if confirmations:
                await self._publisher.publish(confirmations)
            return work

    async def leave(self) -> None:
        """Ends the batch under way, forgets all rows and takes no batch; called before partitions go to another worker."""
        self._away.set()
        async with self._turn:
            await self._run(self._processor.forget)

    async def arrive(self) -> None:
        """Takes batches again; called when partitions have been dealt anew."""
        self._away.clear()

    async def _insist(self, stage: str, step: Callable[[], R]) -> R | None:
        """Runs a step until the store answers; None when the partitions go away in the meantime."""
        for pause in self._retry_pauses():
            began = time.perf_counter()
            try:
                result = await self._run(step)
            except StoreUnavailable as error:
                if self._away.is_set():
                    return None
                _log.warning("store_unavailable", agent=self.name, stage=stage, error=str(error), retry_seconds=round(pause, 2))
                for hear in self._retried:
                    hear(str(error))
                with suppress(TimeoutError):  # whichever comes first
                    await asyncio.wait_for(self._away.wait(), pause)
            else:
                self._observe(self.name, stage, time.perf_counter() - began)
                return result
        raise AssertionError("the pauses between attempts never end")

    async def _run(self, step: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._executor, step)
