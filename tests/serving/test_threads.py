"""The bounded queue before scoring: measured in seconds of work, kept by what requests have cost."""

import asyncio
import time

import pytest

from serving.errors import Overloaded
from serving.threads import ScoringThreads


async def test_work_that_would_wait_too_long_is_refused_at_once() -> None:
    """Once a piece of work is known to take a tenth of a second, only so many may wait as the bound allows."""
    threads = ScoringThreads(1, max_wait_seconds=0.25)
    for _ in range(60):  # until the mean has come near to what the work takes
        threads.submit(time.sleep, 0.01).result()
    answered, refused = 0, 0

    async def ask() -> None:
        nonlocal answered, refused
        try:
            with threads.place(5.0):
                await asyncio.get_running_loop().run_in_executor(threads, time.sleep, 0.01)
            answered += 1
        except Overloaded:
            refused += 1

    await asyncio.gather(*(ask() for _ in range(200)))
    assert answered + refused == 200
    assert 5 <= answered <= 30  # a quarter of a second holds 25 of these, fewer where the machine is slow
    await ask()
    assert answered + refused == 201
    threads.shutdown()


async def test_caller_with_little_time_is_not_let_to_wait_in_vain() -> None:
    """The wait is within the bound, but beyond what this caller has left: it is told now; a patient one gets its place."""
    threads = ScoringThreads(1, max_wait_seconds=10.0)
    threads.submit(time.sleep, 0.5).result()
    with threads.place(10.0):
        with pytest.raises(Overloaded, match="retry with backoff"), threads.place(0.001):
            pass
        with threads.place(10.0):
            pass
    threads.shutdown()


async def test_a_place_is_given_back_whatever_happens() -> None:
    """Work that fails, and work whose caller is cancelled, leave the queue as empty as they found it."""
    threads = ScoringThreads(1, max_wait_seconds=0.01)
    threads.submit(time.sleep, 0.5).result()

    async def ask() -> None:
        with threads.place(5.0):
            await asyncio.get_running_loop().run_in_executor(threads, time.sleep, 0.2)

    asked = asyncio.create_task(ask())
    await asyncio.sleep(0.05)
    asked.cancel()
    await asyncio.wait([asked])
    with pytest.raises(ZeroDivisionError), threads.place(5.0):
        await asyncio.get_running_loop().run_in_executor(threads, lambda: 1 // 0)
    with threads.place(5.0):
        pass
    threads.shutdown()
