"""A loop that is held up is told from one that turns, by another thread."""

import asyncio
import threading
import time

from serving.pulse import Pulse


async def test_a_loop_that_is_held_up_is_noticed() -> None:
    """What blocks the loop stops the pulse; it is back with the next turn."""
    pulse = Pulse(every_seconds=0.01, dead_after_seconds=0.5)
    beating = asyncio.create_task(pulse.beat())
    held, noticed = threading.Event(), threading.Event()

    def watch() -> None:
        held.wait()
        while pulse.alive():
            time.sleep(0.01)
        noticed.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    await asyncio.sleep(0.05)
    assert pulse.alive()
    held.set()
    assert noticed.wait(60.0)  # this holds the loop up
    while not pulse.alive():  # noqa: ASYNC110 - nothing tells of a beat
        await asyncio.sleep(0.01)
    beating.cancel()
    watcher.join()
