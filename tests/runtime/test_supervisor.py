"""Background tasks and threads that fail: restarted, counted, and in the end given up, with the reason."""

import asyncio
import queue
import threading
from collections.abc import Callable
from itertools import repeat

import pytest
from prometheus_client import CollectorRegistry

from runtime.supervisor import BackgroundFailure, Supervisor, failures_counter


class _Case:
    """A supervisor without pauses, and what it has told."""

    def __init__(self, monotonic: Callable[[], float] = lambda: 0.0) -> None:
        self.registry = CollectorRegistry()
        self.told: queue.Queue[BackgroundFailure] = queue.Queue()
        self.supervisor = Supervisor(
            failures_counter(self.registry), failed=self.told.put, monotonic=monotonic, restart_pauses=lambda: repeat(0.0)
        )

    def failures(self, part: str) -> float | None:
        return self.registry.get_sample_value("headwater_background_failures_total", {"part": part})


def test_a_thread_that_keeps_failing_is_given_up_with_its_reason() -> None:
    """Three restarts did not cure it: whoever runs the process hears which part it was, and why."""
    case = _Case()

    def fail() -> None:
        raise ValueError("no such thing")

    case.supervisor.thread("mirror", fail).join()
    failure = case.told.get_nowait()
    assert "mirror" in str(failure)
    assert "no such thing" in str(failure)
    assert isinstance(failure.__cause__, ValueError)
    assert case.supervisor.failure is failure
    assert case.supervisor.problem() == str(failure)
    assert case.failures("mirror") == 4


def test_a_thread_that_runs_again_is_no_problem_any_more() -> None:
    """A fault that passes costs a restart and a count."""
    case, runs, release = _Case(), list[int](), threading.Event()
    running = threading.Event()

    def run() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise OSError("for a moment")
        running.set()
        release.wait()

    thread = case.supervisor.thread("index", run)
    assert running.wait(30.0)
    assert case.supervisor.problem() is None
    assert case.failures("index") == 2
    case.supervisor.release()
    release.set()
    thread.join()
    assert case.told.empty()
    assert case.failures("index") == 2


def test_a_part_that_returns_although_it_should_run_for_good_has_failed() -> None:
    """A loop that ended on its own follows nothing any more, error or not."""
    case = _Case()
    case.supervisor.thread("watch", lambda: None).join()
    assert "it returned" in str(case.told.get_nowait())


def test_failures_far_apart_are_each_cured() -> None:
    """A part that fails once an hour is a fault to look at, not a reason to end."""
    hours = iter(range(0, 3600 * 100, 3600))
    case, runs, gone = _Case(lambda: float(next(hours))), list[int](), threading.Event()

    def run() -> None:
        runs.append(1)
        if len(runs) < 10:
            raise OSError("once an hour")
        gone.set()
        case.supervisor.release()

    case.supervisor.thread("mirror", run).join()
    assert gone.is_set()
    assert case.told.empty()
    assert case.failures("mirror") == 9


async def test_tasks_are_restarted_and_given_up_like_threads() -> None:
    """One that has done its work may return; one that runs for good may not."""
    case, runs = _Case(), list[int]()

    async def connect() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise OSError("not yet")

    async def fail() -> None:
        raise RuntimeError("never")

    await case.supervisor.task("connect", connect, once=True)
    assert (len(runs), case.supervisor.problem()) == (2, None)
    await case.supervisor.task("models", fail)
    assert "models" in str(case.told.get_nowait())


async def test_stopping_cancels_what_runs_and_counts_nothing() -> None:
    """An orderly end is no failure."""
    case, running = _Case(), asyncio.Event()

    async def run() -> None:
        running.set()
        await asyncio.Event().wait()

    task = case.supervisor.task("pulse", run)
    await running.wait()
    await case.supervisor.stop()
    assert task.cancelled()
    assert case.told.empty()
    assert case.failures("pulse") == 0


def test_one_given_up_part_is_enough() -> None:
    """The process ends once: the first reason stands."""
    case = _Case()

    def fail() -> None:
        raise ValueError("first")

    case.supervisor.thread("first", fail).join()
    case.supervisor.thread("second", fail).join()
    assert "first" in str(case.told.get_nowait())
    with pytest.raises(queue.Empty):
        case.told.get_nowait()
