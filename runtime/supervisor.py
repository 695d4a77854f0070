"""Supervisor of a process's background tasks and threads: restarts those that fail, and gives up on those that keep failing.

Without it, a task or a thread that raises is gone, and the process goes on serving what it no longer follows.
"""

import asyncio
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter

from runtime.backoff import pauses

__all__ = [
    "BackgroundFailure",
    "StartTask",
    "StartThread",
    "Supervisor",
    "end_within",
    "failures_counter",
    "start_task",
    "start_thread",
]

_log = structlog.get_logger(__name__)
_RESTARTS = 3
_CURED_SECONDS = 60.0

StartThread = Callable[[str, Callable[[], None]], threading.Thread]
"""Starts a named thread that runs the given function: `start_thread`, or a supervisor's `thread`."""


class StartTask(Protocol):
    """Starts a named asyncio task that runs the given function: `start_task`, or a supervisor's `task`."""

    def __call__(self, name: str, run: Callable[[], Awaitable[None]], *, once: bool = False) -> asyncio.Task[None]:
        """With `once`, the task has done its work when the function returns."""
        ...


class BackgroundFailure(RuntimeError):
    """A background task or thread that restarts did not cure; the message names it and the error that ended it last."""


@dataclass(kw_only=True, slots=True)
class _Part:
    """One task or thread."""

    name: str
    failures: int = 0
    """In a row, each after a run of less than a minute."""
    down: str | None = None
    """Why it does not run; None while it does."""


class Supervisor:
    """Runs named parts for the life of a process: one that raises, or returns although it should not, runs again after a pause.

    After three restarts within a minute of each other the part is given up: `failed` is called, once, and the process must end.
    """

    def __init__(
        self,
        failures: Counter,
        *,
        failed: Callable[[BackgroundFailure], None],
        monotonic: Callable[[], float] = time.monotonic,
        restart_pauses: Callable[[], Iterator[float]] = lambda: pauses(random.Random()),
    ) -> None:
        """Args: `failures` is made by `failures_counter`; `failed` is called in the thread of the part that is given up."""
        self._failures, self._failed, self._monotonic, self._pauses = failures, failed, monotonic, restart_pauses
        self._parts: list[_Part] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._failure: BackgroundFailure | None = None

    @property
    def failure(self) -> BackgroundFailure | None:
        """Why the process must end; None while every part runs or may yet be cured."""
        return self._failure

    def problem(self) -> str | None:
        """Which part does not run, and why; None where all do."""
        return next((part.down for part in self._parts if part.down is not None), None)

    def task(self, name: str, run: Callable[[], Awaitable[None]], *, once: bool = False) -> asyncio.Task[None]:
        """Starts an asyncio task; with `once` it has done its work when it returns, else it runs until `stop`."""
        task = asyncio.create_task(self._run_task(self._part(name), run, once=once), name=name)
        self._tasks.append(task)
        return task

    def thread(self, name: str, run: Callable[[], None]) -> threading.Thread:
        """Starts a thread; it may return only after `release`."""
        part = self._part(name)
        return start_thread(name, lambda: self._run_thread(part, run))

    def release(self) -> None:
        """From now on parts may end; none is restarted. Called before what they do is stopped."""
        self._ending.set()

    async def stop(self) -> None:
        """Cancels the tasks that still run, and waits for them; threads are stopped by who made them."""
        self.release()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run_task(self, part: _Part, run: Callable[[], Awaitable[None]], *, once: bool) -> None:
        for pause in self._pauses():
            began = self._monotonic()
            try:
                await run()
            except Exception as error:
                cause: Exception | None = error
            else:
                cause = None
                if once:
                    return
            if not self._restarts(part, cause, began, pause):
                return
            await asyncio.sleep(pause)
            part.down = None

    def _run_thread(self, part: _Part, run: Callable[[], None]) -> None:
        for pause in self._pauses():
            began = self._monotonic()
            cause: Exception | None = None
            try:
                run()
            except Exception as error:
                cause = error
            if not self._restarts(part, cause, began, pause) or self._ending.wait(pause):
                return
            part.down = None

    def _part(self, name: str) -> _Part:
        part = _Part(name=name)
        self._failures.labels(name)  # from 0 on, so that a rate sees the first one too
        self._parts.append(part)
        return part

    def _restarts(self, part: _Part, cause: Exception | None, began: float, pause: float) -> bool:
        """Notes that a part has ended; whether it is to run again."""
        if self._ending.is_set():
            return False
        self._failures.labels(part.name).inc()
        part.failures = 1 if self._monotonic() - began >= _CURED_SECONDS else part.failures + 1
        why = "it returned" if cause is None else f"{type(cause).__name__}: {cause}"
        part.down = f"background part {part.name} does not run: {why}"
        if part.failures <= _RESTARTS:
            _log.error("background_part_failed", part=part.name, error=why, restart_seconds=round(pause, 2), exc_info=cause)
            return True
        _log.error("background_part_given_up", part=part.name, error=why, failures=part.failures, exc_info=cause)
        with self._lock:
            first, self._failure = self._failure is None, self._failure or BackgroundFailure(part.down)
        if first:
            self._failure.__cause__ = cause
            self._failed(self._failure)
        return False


def failures_counter(registry: CollectorRegistry) -> Counter:
    """The metric of a process's supervisor."""
    return Counter(
        "headwater_background_failures_total",
        "Times that a background task or thread ended by an error, or without one; it was restarted unless the process ended.",
        ["part"],
        registry=registry,
    )


def end_within(seconds: float) -> None:
    """Ends the process with status 1 after `seconds` at the latest, should its orderly end hang."""
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def start_task(name: str, run: Callable[[], Awaitable[None]], *, once: bool = False) -> asyncio.Task[None]:
    """Starts a task that nobody restarts."""

    async def body() -> None:
        await run()

    return asyncio.create_task(body(), name=name)


def start_thread(name: str, run: Callable[[], None]) -> threading.Thread:
    """Starts a daemon thread that nobody restarts: for commands, whose end is near anyway."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
