"""Records that wait on disk for an unreachable broker: in order, bounded, and there again after a restart."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

__all__ = ["Spool", "SpoolError", "SpoolFullError", "Spooled"]


class SpoolError(RuntimeError):
    """The spool cannot be used; the message says why and what to do."""


class SpoolFullError(SpoolError):
    """The record was not taken: the spool holds as much as it may."""


class Spooled(NamedTuple):
    """One record that waits; later ones have higher numbers."""

    number: int
    topic: str
    key: bytes
    value: bytes


class Spool:
    """A queue in one SQLite file, for one process at a time and any number of its threads.

    What `append` has taken survives the end of the process, kill -9 included. Whether it survives the end of the machine is
    the fsync policy: with `fsync` each record is on the disk before `append` returns, else the operating system writes it
    within seconds.
    """

    def __init__(self, directory: Path, *, max_bytes: int = 256 * 1024 * 1024, fsync: bool = False) -> None:
        """Args: `max_bytes` bounds keys and values that wait; the file itself may be a third larger.

        Raises:
            SpoolError: the directory cannot be written, or another process has it.
        """
        self._path, self._max_bytes = directory / "spool.db", max_bytes
        self._lock = threading.Lock()
        with self._use():
            directory.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=1.0, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if fsync else 'NORMAL'}")
            # AUTOINCREMENT: a number is never used again, also after all that had higher ones are gone.
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS records "
                "(number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL)"
            )
            held = self._connection.execute("SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM records")
            self.records, self.bytes = held.fetchone()

    def append(self, topic: str, key: bytes, value: bytes) -> None:
        """Puts a record behind all others.

        Raises:
            SpoolFullError: it would hold more than `max_bytes`.
            SpoolError: the disk does not take it.
        """
        size = len(key) + len(value)
        with self._use():
            if self.bytes + size > self._max_bytes:
                raise SpoolFullError(
                    f"the spool {self._path} holds {self.records:,} records, {self.bytes:,} of {self._max_bytes:,} bytes: this "
                    "one was not taken. See why the broker takes none, or give the spool more room"
                )
            self._connection.execute("INSERT INTO records (topic, key, value) VALUES (?, ?, ?)", (topic, key, value))
            self.records += 1
            self.bytes += size

    def head(self, count: int) -> list[Spooled]:
        """The `count` oldest records at most; they stay. Raises SpoolError."""
        with self._use():
            rows = self._connection.execute("SELECT number, topic, key, value FROM records ORDER BY number LIMIT ?", (count,))
            return [Spooled(*row) for row in rows]

    def remove(self, through: int) -> None:
        """Drops all records up to this number; raises SpoolError."""
        with self._use():
            sizes = self._connection.execute(
                "DELETE FROM records WHERE number <= ? RETURNING length(key) + length(value)", (through,)
            ).fetchall()
            self.records -= len(sizes)
            self.bytes -= sum(size for (size,) in sizes)

    def close(self) -> None:
        """Closes the file; what it holds is there at the next start."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _use(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                raise SpoolError(
                    f"the spool {self._path} cannot be used: {error}. Each producing process needs a directory of its own, "
                    "writable and with room on the disk"
                ) from error
