"""Order of steps by which an event counts once: claim, fold, publish and await, write, confirm, and only then acknowledge."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

import structlog

from feature_repo.backends.fencing import StoreWentBack, Watermark
from feature_repo.store import StoreUnavailable
from headwater.v1.topics import DEAD_LETTERS
from runtime.backoff import pauses
from runtime.record import Oversized, Publication, Record
from streams.dead_letters import oversized_letter

__all__ = ["BatchPipeline", "Ownership", "Processor", "Publishes", "Rewind", "Work"]

_log = structlog.get_logger(__name__)
_REVOKED_SECONDS = 1.0  # that records under way have to be acknowledged when the partitions go


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


class Ownership(Protocol):
    """The fences of the rows that the processor writes; `feature_repo.owned_rows.OwnedRows` keeps them."""

    @property
    def claimed(self) -> bool: ...

    def claim(self, partitions: Sequence[int]) -> Mapping[int, Watermark | None]: ...

    def release(self) -> None: ...

    def begin(self, ends: Mapping[int, int]) -> None: ...

    def finish(self) -> None: ...


class Rewind(Exception):
    """The rows in the store count less far than what was read; `offsets` says by partition where to read on."""

    def __init__(self, offsets: Mapping[int, int]) -> None:
        super().__init__(f"read again from {dict(offsets)}")
        self.offsets = offsets


class Publishes(Protocol):
    """Returns when all records are acknowledged but those that are too large; `runtime.publisher.Publisher` does."""

    async def publish(self, publications: Sequence[Publication], hear: Callable[[str], None]) -> Sequence[Oversized]: ...


class BatchPipeline(Generic[W]):
    """Runs one processor's batches, one at a time, with everything that blocks on the process's executor.

    A batch is published before it is written: what a crash between the two publishes again is recognised by its source.

    With an `ownership`, the first batch after an assignment claims the partitions before any row is read, so that no earlier
    owner can change a row from then on; and each write holds only while that claim does.
    """

    def __init__(
        self,
        name: str,
        processor: Processor[W],
        *,
        publisher: Publishes,
        executor: Executor,
        observe_seconds: Callable[[str, str, float], None],
        ownership: Ownership | None = None,
        retry_pauses: Callable[[], Iterator[float]] = lambda: pauses(random.Random()),
    ) -> None:
        """Args: `observe_seconds(name, stage, seconds)` is called with the time of each stage; `ownership` fences what the
        processor writes; `retry_pauses` gives seconds between attempts while the store is unreachable."""
        self.name = name
        self._processor, self._publisher, self._executor = processor, publisher, executor
        self._ownership = ownership
        self._observe, self._retry_pauses = observe_seconds, retry_pauses
        self._turn = asyncio.Lock()
        self._away = asyncio.Event()
        self._retried: list[Callable[[str], None]] = []
        self._waited: list[Callable[[str], None]] = []
        self._oversized: list[Callable[[int], None]] = []

    def on_retry(self, hear: Callable[[str], None]) -> None:
        """Registers a callback for each attempt that the store did not answer."""
        self._retried.append(hear)

    def on_broker_wait(self, hear: Callable[[str], None]) -> None:
        """Registers a callback, called with the reason each second while the broker takes no records."""
        self._waited.append(hear)

    def on_oversized(self, hear: Callable[[int], None]) -> None:
        """Registers a callback that hears how many records became dead letters because their topics take none so large."""
        self._oversized.append(hear)

    async def handle(self, records: Sequence[Record], begins: Mapping[int, int], ends: Mapping[int, int]) -> W | None:
        """Processes a batch to its end; None if its partitions are revoked first, and then it must not be acknowledged.

        Args:
            begins: for every assigned partition, the offset that its next record to be handled was asked from.
            ends: for the partitions of this batch, the offset behind it.

        Raises:
            Rewind: the store's rows count less far than what was read; go back and read on from there.
            Fenced: another process owns a partition now; this one must end.
            PublishError: the broker refused what the batch led to; only a restart brings rows and log together again.
        """
        async with self._turn:
            if self._away.is_set() or not await self._own(begins):
                return None
            work = await self._insist("fold", lambda: self._processor.process(records))
            if work is None:
                return None
            began = time.perf_counter()
            if not await self._publish(work.publications):
                return None
            self._observe(self.name, "publish", time.perf_counter() - began)
            try:
                confirmations = await self._insist("write", lambda: self._write(work, ends))
            except StoreWentBack as error:
                _log.error("store_went_back", agent=self.name, error=str(error))
                await self._disown()
                await self._own(begins)
                raise Rewind({partition: begins[partition] for partition in ends}) from error
            if confirmations is None or not await self._publish(confirmations):
                return None
            return work

    async def on_revoked(self) -> None:
        """Ends the batch under way, forgets all rows and takes no batch; called before partitions go to another worker."""
        self._away.set()
        async with self._turn:
            await self._disown()

    async def on_assigned(self) -> None:
        """Takes batches again; called after a rebalance."""
        self._away.clear()

    async def _own(self, begins: Mapping[int, int]) -> bool:
        """Claims the partitions where that is still to do; False when they are revoked in the meantime.

        Raises:
            Rewind: the store counts less far than the offsets that this batch begins at.
        """
        ownership = self._ownership
        if ownership is None or ownership.claimed:
            return True
        watermarks = await self._insist("claim", lambda: ownership.claim(list(begins)))
        if watermarks is None:
            return False
        behind = {
            partition: watermark.end
            for partition, watermark in watermarks.items()
            if watermark is not None and watermark.end < begins[partition]
        }
        if behind:
            _log.error("store_is_behind", agent=self.name, read_again_from=str(behind), was_at=str(dict(begins)))
            raise Rewind(behind)
        return True

    async def _disown(self) -> None:
        if self._ownership is not None:
            self._ownership.release()
        await self._run(self._processor.forget)

    def _write(self, work: W, ends: Mapping[int, int]) -> Sequence[Publication]:
        if self._ownership is None:
            return self._processor.write(work)
        self._ownership.begin(ends)
        confirmations = self._processor.write(work)
        self._ownership.finish()
        return confirmations

    async def _publish(self, publications: Sequence[Publication]) -> bool:
        """Publishes them, and letters for those that are too large; False when the partitions go while no broker takes them."""
        left = publications
        while left:
            oversized = await self._unless_revoked(self._publisher.publish(left, self._tell_wait))
            if oversized is None:
                return False
            now = time.time()
            left = [letter for one in oversized if (letter := oversized_letter(one, now)) is not None]
            refused = sum(one.publication.topic != DEAD_LETTERS.name for one in oversized)
            for hear in self._oversized if refused else ():
                hear(refused)
        return True

    async def _unless_revoked(self, publishing: Coroutine[Any, Any, R]) -> R | None:
        """The result; None when the partitions are revoked, and it does not end within a moment."""
        task, away = asyncio.ensure_future(publishing), asyncio.ensure_future(self._away.wait())
        try:
            await asyncio.wait((task, away), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait((task,), timeout=_REVOKED_SECONDS)
            return task.result() if task.done() else None
        finally:
            away.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))

    def _tell_wait(self, what: str) -> None:
        _log.warning("broker_unavailable", agent=self.name, what=what)
        for hear in self._waited:
            hear(what)

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
