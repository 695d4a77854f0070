"""Admission control: what is in flight, whose turn it is, and what is refused."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from serving.admission import Admission
from serving.api.errors import DeadlinePassed, Overloaded

PLACES = 8


class Clock:
    """Time that does not move until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Work:
    """Turns that end when they are told to, a hundredth of a second after the last."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.admission = Admission(max_in_flight=10_000, clock=self.clock)
        self.begun: list[str] = []
        self.ends = asyncio.Semaphore(0)

    async def ask(self, client: str, seconds: float = 60.0) -> None:
        async with self.admission.turn(client, seconds):
            self.begun.append(client)
            await self.ends.acquire()
            self.clock.now += 0.01

    async def end(self, count: int) -> None:
        for _ in range(count):
            self.ends.release()
            for _ in range(10):
                await asyncio.sleep(0)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def started(work: Work, asked: list[Awaitable[None]]) -> list["asyncio.Future[None]"]:
    tasks: list[asyncio.Future[None]] = [asyncio.ensure_future(one) for one in asked]
    await settle()
    return tasks


async def outcome(ask: Callable[[], Awaitable[None]]) -> str:
    try:
        await ask()
    except (Overloaded, DeadlinePassed) as error:
        return type(error).__name__
    return "answered"


def test_requests_beyond_the_bound_are_refused_and_do_not_count() -> None:
    """One that has ended makes room for the next."""
    admission = Admission(max_in_flight=2)
    with admission.entered():
        with admission.entered(), pytest.raises(Overloaded, match="2 requests are in flight"), admission.entered():
            pass
        assert admission.in_flight == 1
        with admission.entered():
            assert admission.in_flight == 2
    assert admission.in_flight == 0


async def test_all_wait_that_can_be_answered_in_time() -> None:
    """A hundred patient callers wait for one another; one with less time is refused, and told when to come again."""
    work = Work()
    tasks = await started(work, [work.ask("a") for _ in range(PLACES + 100)])
    await work.end(60)  # each took a hundredth of a second, and now the estimate knows
    with pytest.raises(Overloaded, match="work waits before this request: retry with backoff") as refused:
        await work.ask("a", seconds=0.2)
    assert 0.05 <= refused.value.retry_seconds <= 1.0
    patient = asyncio.ensure_future(work.ask("a", seconds=2.0))
    await work.end(PLACES + 100)
    await asyncio.gather(patient, *tasks)
    assert len(work.begun) == PLACES + 101


async def test_clients_take_turns() -> None:
    """One that has asked a hundred times delays another's two requests by two."""
    work = Work()
    tasks = await started(work, [work.ask("greedy") for _ in range(PLACES + 100)])
    tasks += await started(work, [work.ask("modest") for _ in range(2)])
    before = len(work.begun)
    await work.end(4)
    assert Counter(work.begun[before : before + 4]) == {"greedy": 2, "modest": 2}
    await work.end(PLACES + 100)
    await asyncio.gather(*tasks)


async def test_the_one_who_asks_most_is_refused_first() -> None:
    """Where a greedy client's next request would come too late, a modest client's first would not."""
    work = Work()
    tasks = await started(work, [work.ask("greedy") for _ in range(PLACES + 100)])
    await work.end(60)
    assert await outcome(lambda: work.ask("greedy", seconds=0.3)) == "Overloaded"
    modest = asyncio.ensure_future(work.ask("modest", seconds=0.3))
    await work.end(PLACES + 50)
    await asyncio.gather(modest, *tasks)


async def test_a_caller_that_leaves_or_runs_out_of_time_gives_up_its_turn() -> None:
    """The next gets it, and as many places are free in the end as at the start."""
    work = Work()
    tasks = await started(work, [work.ask("a") for _ in range(PLACES)])
    leaves, hasty, stays = await started(work, [work.ask("b"), outcome(lambda: work.ask("c", seconds=0.05)), work.ask("d")])  # type: ignore[list-item]
    leaves.cancel()
    assert await hasty == "DeadlinePassed"  # type: ignore[func-returns-value]
    await work.end(PLACES + 1)
    with suppress(asyncio.CancelledError):
        await leaves
    await asyncio.gather(stays, *tasks)
    assert work.begun[PLACES:] == ["d"]
    again = await started(work, [work.ask("e") for _ in range(PLACES)])
    assert len(work.begun) == 2 * PLACES + 1
    await work.end(PLACES)
    await asyncio.gather(*again)


async def test_a_caller_that_leaves_in_the_moment_of_its_turn_is_passed_over() -> None:
    """Whether the turn ends just before it leaves or just after: the next in the queue gets it."""
    work = Work()
    tasks = await started(work, [work.ask("a") for _ in range(PLACES)])
    before, after, stays = await started(work, [work.ask("b"), work.ask("c"), work.ask("d")])
    work.ends.release()
    before.cancel()
    await asyncio.sleep(0)
    after.cancel()
    await work.end(PLACES)
    await asyncio.gather(stays, *tasks)
    assert before.cancelled()
    assert after.cancelled()
    again = await started(work, [work.ask("e") for _ in range(PLACES)])
    assert work.begun[PLACES:] == ["d"] + ["e"] * PLACES
    await work.end(PLACES)
    await asyncio.gather(*again)


async def test_work_that_fails_gives_its_place_back() -> None:
    """However often."""
    admission = Admission(max_in_flight=1)
    for _ in range(2 * PLACES):
        with pytest.raises(ZeroDivisionError):
            async with admission.turn("a", 1.0):
                _ = 1 // 0


async def test_refusals_are_few_a_second() -> None:
    """Fifty may go at once; the next ones wait, but none past its caller's time."""
    admission = Admission(max_in_flight=1)
    at_once = [asyncio.ensure_future(admission.refusal(60.0)) for _ in range(60)]
    await settle()
    assert 45 <= sum(one.done() for one in at_once) < 60
    await asyncio.wait_for(admission.refusal(0.0), 5.0)
    await asyncio.gather(*at_once)
