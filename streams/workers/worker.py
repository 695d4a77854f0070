"""A worker process: its consumer groups, its executor, its probes and its end."""

import asyncio
import faulthandler
import gc
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from feature_repo.items.mirror import ItemMirror
from headwater.v1.topics import Topic
from runtime.broker.access_watch import AccessWatch
from runtime.broker.rights import Right
from runtime.health import Health, Problem, Watchdog
from runtime.offsets import committed
from runtime.probes import Probes
from runtime.settings import KafkaSettings
from runtime.supervisor import Supervisor, end_within
from streams.consumer.group import Group
from streams.consumer.losses import RecordsLost
from streams.settings import WorkerSettings
from streams.workers.metrics import WorkerMetrics

__all__ = ["Worker"]

_log = structlog.get_logger(__name__)
_WATCH_SECONDS = 1.0
_END_SECONDS = 20.0
_HOLD_SECONDS = 3.0
_STOP_SECONDS = 4.5
_ALLOCATIONS = 50_000  # objects between two searches for cycles; Python's 700 make it search many times within one batch


class Worker:
    """A process with one or more groups and one thread for all that blocks.

    An agent that fails takes the whole process down: Faust would skip the batch and go on, and a restart reads it again.
    """

    def __init__(
        self,
        name: str,
        *,
        kafka: KafkaSettings,
        settings: WorkerSettings,
        registry: CollectorRegistry,
        rights: Iterable[Right],
        prepare_thread: Callable[[], object] | None = None,
    ) -> None:
        """Args: `rights` are what it needs on the broker; `prepare_thread` is run first on the thread for all that blocks."""
        self.name = name
        self.metrics = WorkerMetrics(registry)
        self.executor = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=prepare_thread)
        self._kafka, self._settings = kafka, settings
        self._access = AccessWatch(kafka, rights)
        self.metrics.broker_silent.set_function(lambda: self._access.silent_seconds)
        self._health = Health(stall_seconds=settings.stall_seconds, away=self._away)
        self._watchdog = Watchdog(self._health, exit_seconds=settings.exit_seconds, end=self._end)
        self.supervisor = Supervisor(self.metrics.background_failures, failed=self.fail_from_thread)
        checks = {"/healthz": self._problem, "/livez": self._stuck}
        self._probes = Probes(settings.metrics_host, settings.metrics_port, registry=registry, checks=checks)
        self._groups: list[Group] = []
        self._failure: BaseException | None = None
        self._stopping = asyncio.Event()
        self._asked = self._open = False
        self._loop = asyncio.get_running_loop()

    def group(self, name: str, topic: Topic) -> Group:
        """Adds a group that reads `topic`; its offsets are kept under `name`."""
        group = Group(name, topic, kafka=self._kafka, settings=self._settings, heartbeat=self._health.part(name))
        self._groups.append(group)

        async def count() -> None:
            self.metrics.rebalances.labels(topic.name).inc()

        group.on_assigned(count)
        group.on_loss(lambda loss: self.metrics.records_lost.labels(topic.name).inc(loss.records))
        self.metrics.records_lost.labels(topic.name)  # from 0 on, so that a rate sees the first one too
        return group

    def observe_seconds(self, agent: str, stage: str, seconds: float) -> None:
        """Hears how long a stage of an agent's batch took."""
        self.metrics.batch_seconds.labels(agent, stage).observe(seconds)

    def observe_rejected(self, rejected: Mapping[str, int]) -> None:
        """Counts dead letters, by reason."""
        for reason, count in rejected.items():
            self.metrics.dead_lettered.labels(reason).inc(count)

    def fail(self, error: BaseException) -> None:
        """Ends the process with a failure."""
        _log.error("worker_failed", worker=self.name, error=str(error), exc_info=error)
        self._failure = error
        self._stopping.set()

    def fail_from_thread(self, error: BaseException) -> None:
        """The same for who runs in a thread of their own."""
        self._loop.call_soon_threadsafe(self.fail, error)

    async def admitted(self) -> bool:
        """Waits for a broker; whether it lets this worker do its work, on topics that lose no records, and why not in the log.

        False, too, when the worker is asked to stop.
        """
        self._begin()
        for attempt in itertools.count():
            refused = await asyncio.to_thread(self._access.look)
            if self._access.reached:
                refused = refused or await asyncio.to_thread(self._access.refused_topics)
                return refused is None and not self._asked
            if attempt % 30 == 0:
                _log.warning("worker_waits_for_broker", worker=self.name, bootstrap_servers=self._kafka.bootstrap_servers)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _WATCH_SECONDS)
                break
        return False

    async def items_ready(self, mirror: ItemMirror) -> bool:
        """Waits until the items are read; False, and why in the log, where that takes too long; False when asked to stop."""
        self._begin()
        seconds = self._settings.ready_timeout_seconds
        deadline = time.monotonic() + seconds
        while not self._stopping.is_set() and time.monotonic() < deadline:
            if self._access.silence is not None:
                deadline = time.monotonic() + seconds
            if await asyncio.to_thread(mirror.wait_ready, _WATCH_SECONDS):
                return True
        self.supervisor.release()
        if not self._asked and self._failure is None:  # else the log says it already
            _log.error(
                "items_not_read",
                seconds=seconds,
                encoder_mismatches=mirror.encoder_mismatches,
                some_of_them=mirror.some_encoder_mismatches,
                hint="check the topics with `headwater topics`; items of another encoder: docs/runbooks/EncoderMismatch.md",
            )
        return False

    @property
    def status(self) -> int:
        """Exit status of a process that does not run, or no longer: 0 where it was asked to stop."""
        return 0 if self._asked and self._failure is None else 1

    async def run(self) -> int:
        """Runs until a signal or a failure; returns the exit status."""
        self._begin()
        gc.collect()
        gc.freeze()  # libraries and models stay for good, and are half of what each search would look through
        gc.set_threshold(_ALLOCATIONS, 20, 20)
        for group in self._groups:
            self._health.part(group.name).progress()  # what was waited for until here is none of their doing
        self._watchdog.start(self.supervisor.thread)
        self.supervisor.task("watch", self._watch)
        for group in self._groups:
            self.supervisor.task(f"watch-log-{group.name}", group.watch_log)
        reading, stopping = asyncio.create_task(self._read()), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((stopping, reading), return_when=asyncio.FIRST_COMPLETED)
            if not self._stopping.is_set():
                self.fail(reading.exception() or RuntimeError("a consumer stopped on its own"))
        finally:
            self.supervisor.release()
            if self._failure is not None and not isinstance(self._failure, RecordsLost):
                end_within(_END_SECONDS)
            reading.cancel()
            for group in self._groups:
                if self._failure is None:
                    await group.end_batches()
                await group.app.stop()
            if self._failure is not None:
                await asyncio.to_thread(self._access.look)  # the clients do not say whom the broker refused what
            self._watchdog.stop()
            if isinstance(self._failure, RecordsLost):
                await self._hold(self._failure)
            self.executor.shutdown()
            await asyncio.to_thread(self._access.stop)
            await self.supervisor.stop()
            self._probes.stop()
        return self.status

    async def _read(self) -> None:
        """Runs the groups until one of them ends; raises what it ended of."""
        await asyncio.gather(*[group.app.start() for group in self._groups])
        ends = [asyncio.create_task(group.app.wait_until_stopped()) for group in self._groups]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for group in self._groups:
            if group.app.crash_reason is not None:
                raise group.app.crash_reason

    async def _hold(self, lost: RecordsLost) -> None:
        """Stays without partitions, so that /metrics and /healthz tell of the loss, until a signal or moved offsets."""
        _log.error("worker_holds", worker=self.name, hint="it reads nothing until the offsets are moved")
        stands = partial(committed, self._kafka, lost.group, lost.partition)
        at = await asyncio.to_thread(stands)
        while not self._asked:
            await asyncio.sleep(_HOLD_SECONDS)
            if await asyncio.to_thread(stands) != at:
                _log.warning("offsets_moved", worker=self.name, group=lost.group, hint="it exits, to be restarted")
                return

    def _begin(self) -> None:
        """Takes signals, answers probes and asks the broker from now on; whatever is called first does it."""
        if self._open:
            return
        self._open = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        self._probes.start(self.supervisor.thread)
        self._access.start(self.supervisor.thread)

    def _ask_to_stop(self, *_: object) -> None:
        """Handles a signal; whatever hangs on the way to an orderly end, the process then exits with 1 and shows where."""
        if not self._asked:
            self._asked = True
            self._loop.call_soon_threadsafe(self._stopping.set)
            faulthandler.dump_traceback_later(_STOP_SECONDS, exit=True)  # by a thread that needs no turn of the interpreter

    async def _watch(self) -> None:
        """Measures how far each group has come, which tells of consumers that die silently."""
        while True:
            self._health.turn()
            for group in self._groups:
                part = self._health.part(group.name)
                if part.assigned:
                    part.waiting = group.lag()
                    if part.waiting == 0:
                        part.idle()
                self.metrics.observe_group(group)
            await asyncio.sleep(_WATCH_SECONDS)

    def _away(self) -> Problem | None:
        """That the broker refuses this process, or that none answers: no restart helps."""
        text = self._access.problem or self._access.silence
        return None if text is None else Problem(text=text, seconds=self._access.silent_seconds, curable=False)

    def _problem(self) -> str | None:
        if isinstance(self._failure, RecordsLost):
            return str(self._failure)
        problem = self._health.problem()
        return self.supervisor.problem() or self._access.problem or (None if problem is None else problem.text)

    def _stuck(self) -> str | None:
        if (failure := self.supervisor.failure) is not None:
            return str(failure)
        problem = self._watchdog.stuck()
        return None if problem is None else problem.text

    def _end(self, problem: Problem) -> None:
        """Ends the process at once: what is stalled would also block an orderly end."""
        _log.error("worker_stood_still", worker=self.name, problem=problem.text, hint="it exits, to be restarted")
        os._exit(1)
