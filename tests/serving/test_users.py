"""Reading the user's row: fresh, bounded in time, and telling unknown from stale from broken."""

import asyncio
import time
from pathlib import Path

import pytest

from feature_repo.rows import UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore
from serving.answers import Reason
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
    for user_id, reason in (("nobody", Reason.UNKNOWN_USER), ("old", Reason.STALE_FEATURES)):
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
    assert found.degradation.reason is Reason.STORE_UNAVAILABLE


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
    assert all(one.degradation is not None and one.degradation.reason is Reason.STORE_UNAVAILABLE for one in found)
    await asyncio.sleep(0.3)
    patient = UserReader(store, VOCABULARY, ttl_seconds=1e6, timeout_seconds=5.0)
    assert (await patient.read("ann", NOW, 5.0)).as_of == pytest.approx(NOW - 60.0)
    reader.close()
    patient.close()
