"""Shared memory of the processes of one machine: the row of each item id, and the text vectors by row.

Vectors are large and seldom change, so they lie in memory that all processes map. Each still reads the log on its own, and writes
what the others have written or will write: all it agrees on with them is the row. While one that replaces a dead one catches up
with the log, an item whose text has changed may have its former vector for all of them.
"""

import fcntl
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["ItemSharedMemory"]

_LENGTH = struct.Struct("<Q")
_FIRST = _LENGTH.size  # where the ids begin: before them stands where they end


class ItemSharedMemory:
    """Two files in memory, inherited from the process that made them: `create` there, then `ItemSharedMemory(*files)` in each.

    Ids lie in the order of their rows. Their end is moved only once an id is written: a process that dies leaves no half of one.
    """

    def __init__(self, ids_file: int, vectors_file: int) -> None:
        self.files = ids_file, vectors_file
        """File descriptors; `subprocess.Popen(pass_fds=...)` hands them on."""
        self._read_to = _FIRST

    @classmethod
    def create(cls) -> Self:
        """Empty ones, which last as long as a process has them open."""
        ids_file, vectors_file = _file("ids"), _file("vectors")
        os.pwrite(ids_file, _LENGTH.pack(_FIRST), 0)
        return cls(ids_file, vectors_file)

    def claim(self, item_id: str) -> list[str]:
        """Gives an item the next row unless it has one; ids new to this process, in the order of their rows."""
        ids_file, _ = self.files
        with self._locked():
            (end,) = _LENGTH.unpack(os.pread(ids_file, _FIRST, 0))
            ids = _split(os.pread(ids_file, end - self._read_to, self._read_to))
            if item_id not in ids:
                encoded = item_id.encode()
                entry = _LENGTH.pack(len(encoded)) + encoded
                os.pwrite(ids_file, entry, end)
                end += len(entry)
                os.pwrite(ids_file, _LENGTH.pack(end), 0)
                ids.append(item_id)
        self._read_to = end
        return ids

    def vectors(self, rows: int, dimensions: int) -> NDArray[np.float32]:
        """The first rows of the vectors, (rows, D): zeros where none was written, and the same memory at every call."""
        _, vectors_file = self.files
        size = 4 * rows * dimensions
        with self._locked():  # another process may have made it larger since
            if os.fstat(vectors_file).st_size < size:
                os.ftruncate(vectors_file, size)
        return np.frombuffer(mmap.mmap(vectors_file, size), dtype=np.float32).reshape(rows, dimensions)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self.files[0], fcntl.LOCK_EX)  # the lock of a process that dies is free
        try:
            yield
        finally:
            fcntl.lockf(self.files[0], fcntl.LOCK_UN)


def _file(name: str) -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create(f"headwater-{name}")
    with tempfile.TemporaryFile() as file:  # not on Linux: one on disk, which nobody else can find
        return os.dup(file.fileno())


def _split(entries: bytes) -> list[str]:
    ids, at = list[str](), 0
    while at < len(entries):
        (length,) = _LENGTH.unpack_from(entries, at)
        at += _LENGTH.size + length
        ids.append(entries[at - length : at].decode())
    return ids
