"""Where scoring is done, and its bounded queue: measured in seconds of work, kept by what requests have cost."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack, suppress
from functools import partial

import pytest

from serving.admission import Admission
from serving.api.errors import Overloaded
from serving.inference.queue import ScoringQueue

LITTLE, MUCH = 1000, 1001


@pytest.mark.parametrize("candidates", [LITTLE, MUCH])
async def test_work_that_would_wait_too_long_is_refused_at_once(candidates: int) -> None:
    """Once a piece of work is known to take a hundredth of a second, only so many may wait as the bound allows."""
    admission = Admission(max_in_flight=1000, max_wait_seconds=0.25)
    queue = ScoringQueue(1, admission)
    work = partial(time.sleep, 0.01)
    for _ in range(60):  # until the mean has come near to what the work takes
        await queue.run(work, candidates=candidates)
    answered, refused = 0, 0

    async def ask() -> None:
        nonlocal answered, refused
        try:
            with admission.place(5.0):
                await queue.run(work, candidates=candidates)
            answered += 1
        except Overloaded:
            refused += 1

    await asyncio.gather(*(ask() for _ in range(200)))
    assert answered + refused == 200
    assert 5 <= answered <= 30  # a quarter of a second holds 25 of these, fewer where the machine is slow
    await ask()
    assert answered + refused == 201
    queue.shutdown()


async def test_what_else_the_loop_does_between_two_pieces_counts_in_the_wait() -> None:
    """Pieces that take no time themselves, but come a hundredth of a second apart, are as many as may wait."""
    admission = Admission(max_in_flight=1000, max_wait_seconds=0.25)
    queue, loop = ScoringQueue(1, admission), asyncio.get_running_loop()
    for _ in range(60):
        await queue.run(lambda: loop.call_soon(time.sleep, 0.01), candidates=LITTLE)
    waiting = 0
    with ExitStack() as places, suppress(Overloaded):
        while waiting < 60:
            places.enter_context(admission.place(5.0))
            waiting += 1
    assert 5 <= waiting <= 30
    queue.shutdown()


async def test_caller_with_little_time_is_not_let_to_wait_in_vain() -> None:
    """The wait is within the bound, but beyond what this caller has left: it is told now; a patient one gets its place."""
    admission = Admission(max_in_flight=1000, max_wait_seconds=10.0)
    queue = ScoringQueue(1, admission)
    queue.submit(time.sleep, 0.5).result()
    with admission.place(10.0):
        with pytest.raises(Overloaded, match="retry with backoff"), admission.place(0.001):
            pass
        with admission.place(10.0):
            pass
    queue.shutdown()


@pytest.mark.parametrize("candidates", [LITTLE, MUCH])
async def test_a_place_is_given_back_whatever_happens(candidates: int) -> None:
    """Work that fails, and work whose caller is cancelled, leave the queue as empty as they found it."""
    admission = Admission(max_in_flight=1000, max_wait_seconds=0.01)
    queue = ScoringQueue(1, admission)
    queue.submit(time.sleep, 0.5).result()

    async def ask() -> None:
        with admission.place(5.0):
            await queue.run(partial(time.sleep, 0.2), candidates=candidates)

    asked = asyncio.create_task(ask())
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait([asked])
    assert asked.cancelled()
    with pytest.raises(ZeroDivisionError), admission.place(5.0):
        await queue.run(lambda: 1 // 0, candidates=candidates)
    with admission.place(5.0):
        pass
    queue.shutdown()


async def test_little_is_done_on_the_loop_and_much_on_a_thread() -> None:
    """A long piece would stop the loop; where there are several threads, they share all of the work."""
    admission = Admission(max_in_flight=1000, max_wait_seconds=1.0)
    one, several = ScoringQueue(1, admission), ScoringQueue(2, admission)
    assert await one.run(threading.current_thread, candidates=LITTLE) is threading.current_thread()
    for queue, candidates in ((one, MUCH), (several, LITTLE), (several, MUCH)):
        assert (await queue.run(threading.current_thread, candidates=candidates)).name.startswith("scoring")
    one.shutdown()
    several.shutdown()


async def test_where_more_comes_than_can_be_done_a_thread_works_and_the_loop_refuses() -> None:
    """Requests that come faster than their work is done turn it over to the thread; once fewer come, the loop does it again."""
    admission = Admission(max_in_flight=1000, max_wait_seconds=1.0)
    queue, here = ScoringQueue(1, admission), threading.current_thread()

    async def ask() -> threading.Thread:
        admission.enter(scoring=True)
        return await queue.run(work, candidates=LITTLE)

    def work() -> threading.Thread:
        time.sleep(0.01)
        return threading.current_thread()

    assert await ask() is here
    flood = [await one for one in asyncio.as_completed([ask() for _ in range(100)])]
    assert flood[0] is here
    assert await ask() is not here
    for _ in range(40):
        await asyncio.sleep(0.05)
        last = await ask()
    assert last is here
    queue.shutdown()


async def test_pieces_take_turns_with_what_arrives_meanwhile() -> None:
    """In order of arrival, one piece at a time; what came over the network during one is looked at before the next begins."""
    admission = Admission(max_in_flight=1000, max_wait_seconds=1.0)
    queue, log = ScoringQueue(1, admission), list[str]()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        asyncio.get_running_loop().add_reader(ours, lambda: log.append(f"after {ours.recv(1).decode()}"))

        def work(name: str) -> None:
            log.append(name)
            theirs.send(name.encode())

        await asyncio.gather(*(queue.run(partial(work, name), candidates=1) for name in "abc"))
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().remove_reader(ours)
    assert log == ["a", "after a", "b", "after b", "c", "after c"]
    queue.shutdown()


async def test_no_work_is_done_for_a_caller_that_left_while_it_waited() -> None:
    """One's deadline passes during another's piece, one is cancelled by it; the last in the queue gets its turn."""
    admission = Admission(max_in_flight=1000, max_wait_seconds=1.0)
    queue, done = ScoringQueue(1, admission), list[str]()

    async def ask(name: str, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await queue.run(partial(work, name), candidates=1)

    def work(name: str) -> None:
        done.append(name)
        leaves.cancel()
        time.sleep(0.1)

    asked = [asyncio.create_task(ask(name, seconds)) for name, seconds in (("long", 5.0), ("hasty", 0.05), ("leaves", 5.0))]
    leaves = asked[-1]
    _, hasty, left, last = await asyncio.gather(*asked, ask("last", 5.0), return_exceptions=True)
    assert isinstance(hasty, TimeoutError)
    assert isinstance(left, asyncio.CancelledError)
    assert last is None
    assert done == ["long", "last"]
    queue.shutdown()
