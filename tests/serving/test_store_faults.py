"""A real Redis that hangs, dies and comes back: answers keep coming, say what they lack, and are whole again afterwards."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, apply
from serving.api.responses import DegradationReason
from serving.users import UserFeatures, UserReader
from tests.broker import free_port
from tests.redis import redis_process
from tests.serving.worlds import NOW, VOCABULARY, user_row


def settings_of(directory: Path, port: int) -> StoreSettings:
    return StoreSettings.model_validate(
        {"kind": "redis", "directory": directory, "redis_url": f"redis://127.0.0.1:{port}/0", "redis_timeout_seconds": 0.2}
    )


def reader_of(settings: StoreSettings) -> UserReader:
    return UserReader.of(settings, VOCABULARY, timeout_seconds=0.1)


async def becomes(reader: UserReader, wanted: Callable[[UserFeatures], bool]) -> UserFeatures:
    """What is read once it is as wanted."""
    deadline = time.monotonic() + 20.0
    while not wanted(found := await reader.read("ann", NOW, 1.0)):
        assert time.monotonic() < deadline, f"still {found.degradation}"
        await asyncio.sleep(0.05)
    return found


def is_whole(found: UserFeatures) -> bool:
    return found.degradation is None


async def test_hanging_redis_degrades_answers_and_is_forgiven(tmp_path: Path) -> None:
    """Stopped, it costs each answer its row and says so; soon without waiting for it; going on, it gives whole answers again."""
    port = free_port()
    settings = settings_of(tmp_path, port)
    with redis_process(port) as (process, _):
        apply(settings)
        RowStore(settings, VOCABULARY).write_users([user_row()])
        reader = reader_of(settings)
        await becomes(reader, is_whole)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            degraded = [await reader.read("ann", NOW, 1.0) for _ in range(3)]
            assert all(one.degradation and one.degradation.reason is DegradationReason.STORE_UNAVAILABLE for one in degraded)
            began = time.monotonic()
            at_once = await asyncio.gather(*(reader.read("ann", NOW, 1.0) for _ in range(50)))
            assert time.monotonic() - began < 2.0  # in turn, fifty waits for the timeout would take five seconds
            assert all(one.degradation and one.degradation.reason is DegradationReason.STORE_UNAVAILABLE for one in at_once)
        finally:
            os.kill(process.pid, signal.SIGCONT)
        assert (await becomes(reader, is_whole)).as_of == pytest.approx(NOW - 60.0)
        reader.close()


async def test_redis_that_died_is_used_again_once_it_is_back(tmp_path: Path) -> None:
    """Killed, it degrades answers; restarted and empty, the user is unknown; written to, the answers are whole."""
    port = free_port()
    settings = settings_of(tmp_path, port)
    with redis_process(port):
        apply(settings)
        RowStore(settings, VOCABULARY).write_users([user_row()])
        reader = reader_of(settings)
        await becomes(reader, is_whole)
    down = await becomes(reader, lambda found: found.degradation is not None)
    assert down.degradation is not None
    assert down.degradation.reason is DegradationReason.STORE_UNAVAILABLE
    with redis_process(port):
        await becomes(
            reader, lambda found: found.degradation is not None and found.degradation.reason is DegradationReason.UNKNOWN_USER
        )
        RowStore(settings, VOCABULARY).write_users([user_row()])
        await becomes(reader, is_whole)
        reader.close()


async def test_redis_that_hangs_holds_up_the_loop_once_for_the_readers_limit(tmp_path: Path) -> None:
    """Read on the loop as it stops, it is read by the thread from then on; what a call may take otherwise counts for nothing."""
    with redis_process() as (process, url):
        settings = StoreSettings(kind="redis", directory=tmp_path, redis_url=url, redis_timeout_seconds=10.0)
        apply(settings)
        RowStore(settings, VOCABULARY).write_users([user_row()])
        reader = UserReader.of(settings, VOCABULARY, timeout_seconds=1.0)
        await becomes(reader, is_whole)
        while not reader.near:
            assert is_whole(await reader.read("ann", NOW, 1.0))
        os.kill(process.pid, signal.SIGSTOP)
        ticks = list[float]()
        ticking = asyncio.create_task(_tick(ticks))
        await asyncio.sleep(0.05)
        ticked = list[int]()
        for _ in range(3):
            before = len(ticks)
            assert not is_whole(await reader.read("ann", NOW, 1.0))
            ticked.append(len(ticks) - before)
        ticking.cancel()
        os.kill(process.pid, signal.SIGCONT)
        reader.close()
    assert ticked[0] == 0  # the loop stood still; each of the later ones left it a second, of which a busy machine leaves some
    assert min(ticked[1:]) >= 5


async def _tick(ticks: list[float]) -> None:
    """Notes a time every hundredth of a second, if the loop is free."""
    while True:
        await asyncio.sleep(0.01)
        ticks.append(time.monotonic())
