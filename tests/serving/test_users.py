"""Reading the user's row: fresh, bounded in time, and telling unknown from stale from broken."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_repo.rows import UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, StoreUnavailable
from serving.api.responses import DegradationReason
from serving.users import UserReader
from tests.serving.worlds import NOW, VOCABULARY, World, user_row


async def test_row_is_read_anew_each_time(world: World) -> None:
    """A write between two requests is seen by the second."""
    world.rows.write_users([user_row(at=NOW - 60.0)])
    assert (await world.users.read("ann", NOW, 1.0)).as_of == NOW - 60.0
    world.rows.write_users([user_row(at=NOW - 1.0)])
    assert (await world.users.read("ann", NOW, 1.0)).as_of == NOW - 1.0


async def test_unknown_user_and_stale_row_are_told_apart(world: World) -> None:
    """Both are scored as unknown; the reason and the words differ."""
    world.rows.write_users([user_row("old", at=NOW - 3 * 86_400.0)])
    for user_id, reason in (("nobody", DegradationReason.UNKNOWN_USER), ("old", DegradationReason.STALE_FEATURES)):
        found = await world.users.read(user_id, NOW, 1.0)
        assert found.degradation is not None
        assert found.degradation.reason is reason
        assert found.as_of is None


async def test_missing_store_degrades(tmp_path: Path) -> None:
    """A store that was never prepared is an answer with a flag, not an error."""
    reader = UserReader(
        RowStore(StoreSettings(directory=tmp_path / "none"), VOCABULARY), VOCABULARY, ttl_seconds=1.0, timeout_seconds=1.0
    )
    found = await reader.read("ann", NOW, 1.0)
    reader.close()
    assert found.degradation is not None
    assert found.degradation.reason is DegradationReason.STORE_UNAVAILABLE


class _HangingStore(RowStore):
    """A store that answers after a while, as a network store may."""

    def read_user(self, user_id: str, now: float) -> UserRow | None:
        time.sleep(0.3)
        return super().read_user(user_id, now)


async def test_hanging_store_costs_a_request_its_limit_and_no_more(world: World) -> None:
    """Ten requests behind a hanging read all degrade within the limit, and the reader works again afterwards."""
    world.rows.write_users([user_row()])
    store = _HangingStore(world.store_settings, VOCABULARY)
    reader = UserReader(store, VOCABULARY, ttl_seconds=1e6, timeout_seconds=0.05)
    started = time.perf_counter()
    found = await asyncio.gather(*(reader.read("ann", NOW, 1.0) for _ in range(10)))
    assert time.perf_counter() - started < 0.25
    assert all(one.degradation is not None and one.degradation.reason is DegradationReason.STORE_UNAVAILABLE for one in found)
    await asyncio.sleep(0.3)
    patient = UserReader(store, VOCABULARY, ttl_seconds=1e6, timeout_seconds=5.0)
    assert (await patient.read("ann", NOW, 5.0)).as_of == pytest.approx(NOW - 60.0)
    reader.close()
    patient.close()


class _Store(RowStore):
    """A real store that pauses or fails as told, and notes which thread read it, and whether two did at once."""

    pause = 0.0
    fails = False
    readers: list[threading.Thread]
    inside = 0
    overlapped = False

    def read_user(self, user_id: str, now: float) -> UserRow | None:
        self.readers.append(threading.current_thread())
        self.inside += 1
        self.overlapped |= self.inside > 1
        try:
            time.sleep(self.pause)
            if self.fails:
                raise StoreUnavailable("it is unreachable")
            return super().read_user(user_id, now)
        finally:
            self.inside -= 1

    def take_readers(self) -> list[threading.Thread]:
        taken, self.readers = self.readers, []
        return taken


@pytest.fixture
def store(world: World) -> _Store:
    """A store that holds a user."""
    world.rows.write_users([user_row()])
    store = _Store(world.store_settings, VOCABULARY)
    store.readers = []
    return store


@pytest.fixture
def reader(store: _Store) -> Iterator[UserReader]:
    """One that waits for half a second."""
    made = UserReader(store, VOCABULARY, ttl_seconds=1e6, timeout_seconds=0.5)
    yield made
    made.close()


async def come_near(reader: UserReader, store: _Store) -> list[threading.Thread]:
    """Reads until the loop takes over; the threads that read until then."""
    deadline = time.monotonic() + 20.0
    while not reader.near:
        assert time.monotonic() < deadline, "the store never came near"
        assert (await reader.read("ann", NOW, 1.0)).degradation is None
    return store.take_readers()


async def test_a_near_store_is_read_on_the_loop_once_that_has_shown(reader: UserReader, store: _Store) -> None:
    """The first reads, of which it isn't known how long they take, are a thread's; so are those of callers with little time."""
    at_first = await come_near(reader, store)
    assert len(at_first) > 5
    assert threading.current_thread() not in at_first
    await reader.read("ann", NOW, 0.4)  # a hanging store would hold up the loop for longer than this caller has
    await reader.read("ann", NOW, 1.0)
    by_little_time, by_enough = store.take_readers()
    assert by_little_time is not threading.current_thread()
    assert by_enough is threading.current_thread()


@pytest.mark.parametrize("trouble", [{"pause": 0.05}, {"fails": True}])
async def test_a_slow_or_failing_store_costs_the_loop_one_read(
    reader: UserReader, store: _Store, trouble: dict[str, float | bool]
) -> None:
    """From the next on a thread reads it, until fast reads have made up for what the loop has lost; then the loop does again."""
    await come_near(reader, store)
    for name, value in trouble.items():
        setattr(store, name, value)
    for _ in range(5):
        await reader.read("ann", NOW, 1.0)
    assert store.take_readers().count(threading.current_thread()) == 1
    store.pause, store.fails = 0.0, False
    await asyncio.sleep(0.5)  # in which a store that failed is left alone
    assert len(await come_near(reader, store)) > 40
    await reader.read("ann", NOW, 1.0)
    assert store.take_readers() == [threading.current_thread()]


async def test_two_threads_never_read_at_once(reader: UserReader, store: _Store) -> None:
    """While the thread is at a read that takes its time, one that the loop could make is the thread's as well."""
    await come_near(reader, store)
    store.pause = 0.2
    slow = asyncio.create_task(reader.read("ann", NOW, 0.4))
    await asyncio.sleep(0.05)
    store.pause = 0.0
    found = await reader.read("ann", NOW, 1.0)
    assert slow.done()
    assert found.degradation is None
    assert not store.overlapped
    assert threading.current_thread() not in store.take_readers()
