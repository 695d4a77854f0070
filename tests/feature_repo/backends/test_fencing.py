"""Fences in a real store, SQLite and Redis: an older owner and a store that went back are found out, and nothing is written."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from feature_repo.backends.fencing import Fenced, Fences, StoreWentBack, Watermark
from feature_repo.owned_rows import OwnedRows
from feature_repo.rows import UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import Fencing, RowStore, apply
from tests.feature_repo.worlds import VOCABULARY
from tests.redis import running_redis

GROUP, LOG = "headwater-features-users", 2**62 + 1


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreSettings]:
    if request.param == "redis":
        with running_redis(tmp_path) as settings:
            apply(settings)
            yield settings
    else:
        apply(StoreSettings(directory=tmp_path))
        yield StoreSettings(directory=tmp_path)


class Owner:
    """A worker, as far as the store sees it."""

    def __init__(self, place: StoreSettings) -> None:
        self.store, self.fences = RowStore(place, VOCABULARY), Fences(GROUP)

    def claim(self, *partitions: int) -> dict[int, Watermark | None]:
        claims = self.store.claim(GROUP, partitions)
        self.fences.take(claims)
        return {partition: claim.watermark for partition, claim in claims.items()}

    def write(self, offset: int, *users: str, partition: int = 0, log: int = LOG) -> None:
        rows = []
        for user in users:
            row = UserRow.empty(user, VOCABULARY)
            row.log, row.partition, row.offset = log, partition, offset
            rows.append(row)
        spans = self.fences.spans(log, {partition: offset + 1})
        self.store.write_users(rows, Fencing(group=GROUP, spans=spans))
        self.fences.wrote(spans)

    def offset(self, user: str) -> int:
        return self.store.read_users([user])[user].offset


def test_an_older_owner_is_refused_and_changes_nothing(place: StoreSettings) -> None:
    """A worker that was frozen with a batch in hand must not put it over the rows of its successor."""
    frozen, successor = Owner(place), Owner(place)
    assert frozen.claim(0) == {0: None}
    frozen.write(5, "u")
    assert successor.claim(0) == {0: Watermark(log=LOG, end=6)}
    successor.write(9, "u")
    with pytest.raises(Fenced, match=r"partition 0 of group headwater-features-users was claimed by another process"):
        frozen.write(7, "u", "v")
    assert successor.offset("u") == 9
    assert "v" not in successor.store.read_users(["v"])


def test_partitions_are_fenced_apart(place: StoreSettings) -> None:
    """Another worker's claim of one partition leaves the others to their owner."""
    one, other = Owner(place), Owner(place)
    one.claim(0, 1)
    other.claim(1)
    one.write(3, "u", partition=0)
    with pytest.raises(Fenced):
        one.write(3, "w", partition=1)
    other.write(4, "w", partition=1)
    assert (other.offset("u"), other.offset("w")) == (3, 4)


def test_a_write_whose_answer_was_lost_may_be_repeated(place: StoreSettings) -> None:
    """The retry of a timed-out write finds its own watermark, and is no rollback."""
    owner = Owner(place)
    owner.claim(0)
    spans = owner.fences.spans(LOG, {0: 8})
    row = UserRow.empty("u", VOCABULARY)
    row.offset = 7
    for _ in range(2):
        owner.store.write_users([row], Fencing(group=GROUP, spans=spans))
    owner.fences.wrote(spans)
    owner.write(9, "u")


def test_a_batch_of_many_rows_moves_the_watermark_once(place: StoreSettings) -> None:
    """Rows go in parts; a first write of 1,100 rows, and one without rows, are whole batches."""
    owner = Owner(place)
    owner.claim(0)
    owner.write(10, *(f"u{number}" for number in range(1100)))
    owner.write(20)
    assert owner.offset("u1099") == 10
    assert owner.claim(0) == {0: Watermark(log=LOG, end=21)}


def test_records_read_again_leave_the_watermark(place: StoreSettings) -> None:
    """An operator's rewind re-reads old offsets; the rows still count to where they did."""
    owner = Owner(place)
    owner.claim(0)
    owner.write(50, "u")
    owner.write(10, "v")
    assert owner.claim(0) == {0: Watermark(log=LOG, end=51)}
    owner.write(3, "u", log=LOG + 1)  # a recreated topic starts again
    assert owner.claim(0) == {0: Watermark(log=LOG + 1, end=4)}


def test_a_partitions_state_is_written_with_its_rows(place: StoreSettings) -> None:
    """A next owner finds the state of the batch that the watermark speaks of; a batch that says nothing of it leaves it."""
    owner = OwnedRows(RowStore(place, VOCABULARY), GROUP, log=lambda: LOG)
    owner.claim([0])
    assert owner.state(0) == b""
    states = {0: b"\x00first"}
    owner.begin({0: 11})
    owner.write_users([UserRow.empty(f"u{number}", VOCABULARY) for number in range(1100)], states)
    owner.finish()
    assert owner.state(0) == b"\x00first"
    owner.begin({0: 12})
    owner.write_users([], {})
    owner.finish()
    successor = OwnedRows(RowStore(place, VOCABULARY), GROUP, log=lambda: LOG)
    assert successor.claim([0]) == {0: Watermark(log=LOG, end=12, state=b"\x00first")}
    assert successor.state(0) == b"\x00first"
    owner.begin({0: 14})
    with pytest.raises(Fenced):
        owner.write_users([], {0: b"second"})
    assert successor.claim([0]) == {0: Watermark(log=LOG, end=12, state=b"\x00first")}


def test_nothing_is_written_without_a_claim(place: StoreSettings) -> None:
    """After a revocation a late batch is refused before it reaches the store."""
    owner = Owner(place)
    owner.claim(0)
    owner.fences.release()
    with pytest.raises(Fenced, match="not assigned"):
        owner.write(1, "u")


def test_a_store_that_went_back_is_found_out(place: StoreSettings, tmp_path: Path) -> None:
    """Restored from an older copy while its owner runs: the next write is refused, and a new claim tells from where to read."""
    owner = Owner(place)
    owner.claim(0)
    owner.write(5, "u")
    with copied(place, tmp_path / "copy") as restore:
        owner.write(9, "u")
        restore()
    with pytest.raises(StoreWentBack, match=r"counts to offset 6 of log .* there and to offset 10 of log .* here"):
        owner.write(12, "u")
    assert owner.offset("u") == 5
    assert owner.claim(0) == {0: Watermark(log=LOG, end=6)}
    owner.write(12, "u")


def test_epochs_grow_over_a_restore(place: StoreSettings, tmp_path: Path) -> None:
    """A copy from before an owner's claim must not hand that owner's epoch to another one."""
    owner, other = Owner(place), Owner(place)
    with copied(place, tmp_path / "copy") as restore:
        owner.claim(0)
        restore()
    other.claim(0)
    other.write(3, "u")
    with pytest.raises((Fenced, StoreWentBack)):
        owner.write(5, "u")
    assert other.offset("u") == 3


@contextmanager
def copied(place: StoreSettings, copy: Path) -> Iterator[Callable[[], None]]:
    """A copy of the store's content as of the block's start; calling what the block gets puts it back."""
    if place.kind == "sqlite":
        original = place.directory / "online.db"
        _back_up(original, copy)
        yield lambda: _back_up(copy, original)
        return
    client: Any = redis.Redis(port=place.redis_url.port or 6379)
    dumped = {key: client.dump(key) for key in client.scan_iter()}

    def restore() -> None:
        client.flushdb()
        for key, content in dumped.items():
            client.restore(key, 0, content)

    yield restore
    client.close()


def _back_up(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
