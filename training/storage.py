"""Owns where models lie: a directory or an object store, behind steps each of which is done whole or not at all."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

__all__ = ["CURRENT", "LocalStorage", "Storage", "is_url", "join", "read_whole", "storage_at", "write_whole"]

CURRENT = "CURRENT"
"""Name of the pointer to the version that serves."""


class Storage(Protocol):
    """Versions by name, each a few files, and one pointer. Every method raises OSError when the place cannot be reached."""

    location: str
    """Path or URL, for messages."""

    def names(self) -> list[str]:
        """Names of the versions that are there whole, and of whatever else lies beside them."""

    def claim(self, name: str) -> bool:
        """Takes a name for a new version; False if another writer has it already."""

    def add(self, name: str, files: Mapping[str, bytes]) -> None:
        """Writes a version whose name was claimed; readers see all of its files or none."""

    def read(self, name: str, file: str) -> bytes:
        """One file of a version; raises FileNotFoundError."""

    def remove(self, name: str) -> None:
        """Removes a version."""

    def collect_garbage(self) -> None:
        """Removes what writers left that died."""

    def pointer(self) -> str | None:
        """What `CURRENT` says; None where there is none."""

    def point(self, text: str) -> None:
        """Replaces `CURRENT`."""

    def writing(self) -> AbstractContextManager[None]:
        """Lets writers take turns, where the place can."""


def is_url(location: str | Path) -> bool:
    """Whether it names an object store.

    >>> is_url("s3://models/headwater"), is_url("data/snapshots")
    (True, False)
    """
    return "://" in str(location)


def join(location: str | Path, name: str) -> str:
    """A name below a location.

    >>> join("s3://models/headwater", "learner.checkpoint")
    's3://models/headwater/learner.checkpoint'
    """
    return f"{str(location).rstrip('/')}/{name}"


def storage_at(location: str | Path, *, clock: Callable[[], float]) -> Storage:
    """The storage at a directory or URL; `clock` gives Unix seconds, by which garbage is told from what is being written."""
    if is_url(location):
        from training.object_storage import ObjectStorage  # fsspec and its file systems are for those who use them

        return ObjectStorage(str(location), clock=clock)
    return LocalStorage(Path(location))


def write_whole(location: str | Path, content: bytes) -> None:
    """Replaces a file or object by `content`; it is safe when this returns."""
    if is_url(location):
        from training.object_storage import write_object

        write_object(str(location), content)
        return
    path = Path(location)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    _write(partial, content)
    partial.replace(path)
    _sync(path.parent)


def read_whole(location: str | Path) -> bytes:
    """Content of a file or object; raises FileNotFoundError."""
    if is_url(location):
        from training.object_storage import read_object

        return read_object(str(location))
    return Path(location).read_bytes()


class LocalStorage:
    """A directory: a version is renamed into place whole, the pointer is replaced whole, writers take turns by a lock."""

    def __init__(self, directory: Path) -> None:
        self.location = str(directory)
        self._directory = directory

    def names(self) -> list[str]:
        return [path.name for path in self._directory.iterdir()] if self._directory.is_dir() else []

    def claim(self, name: str) -> bool:
        return not (self._directory / name).exists()

    def add(self, name: str, files: Mapping[str, bytes]) -> None:
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self._directory))
        for file, content in files.items():
            _write(partial / file, content)
        partial.chmod(0o755)
        _sync(partial)
        partial.rename(self._directory / name)
        _sync(self._directory)

    def read(self, name: str, file: str) -> bytes:
        return (self._directory / name / file).read_bytes()

    def remove(self, name: str) -> None:
        shutil.rmtree(self._directory / name)

    def collect_garbage(self) -> None:
        for left_by_a_crash in self._directory.glob(".partial-*"):
            shutil.rmtree(left_by_a_crash)

    def pointer(self) -> str | None:
        try:
            return (self._directory / CURRENT).read_text()
        except FileNotFoundError:
            return None

    def point(self, text: str) -> None:
        write_whole(self._directory / CURRENT, text.encode())

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
