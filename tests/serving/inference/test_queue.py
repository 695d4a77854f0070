"""Where scoring is done: a little on the event loop, piece by piece, much on a thread."""

import asyncio
import socket
import threading
import time
from functools import partial

from serving.inference.queue import ScoringQueue

LITTLE, MUCH = 1000, 1001


async def test_little_is_done_on_the_loop_and_much_on_a_thread() -> None:
    """A long piece would stop the loop; where there are several threads, they share all of the work."""
    one, several = ScoringQueue(1), ScoringQueue(2)
    assert await one.run(threading.current_thread, candidates=LITTLE) is threading.current_thread()
    for queue, candidates in ((one, MUCH), (several, LITTLE), (several, MUCH)):
        assert (await queue.run(threading.current_thread, candidates=candidates)).name.startswith("scoring")
    one.shutdown()
    several.shutdown()


async def test_pieces_take_turns_with_what_arrives_meanwhile() -> None:
    """In order of arrival, one piece at a time; what came over the network during one is looked at before the next begins."""
    queue, log = ScoringQueue(1), list[str]()
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
    queue, done = ScoringQueue(1), list[str]()

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
