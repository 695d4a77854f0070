"""Storage in a local directory."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from training.storage.ownership import Changed, Tagged
from training.storage.protocol import CURRENT

__all__ = ["LocalStorage", "read_tagged_file", "replace_file", "write_file"]

_LOCK_SECONDS, _LOCK_PAUSE_SECONDS = 30.0, 0.01


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

    def pointer(self) -> Tagged | None:
        return read_tagged_file(self._directory / CURRENT)

    def point(self, text: str, tag: str | None) -> None:
        replace_file(self._directory / CURRENT, text.encode(), tag)

    @contextmanager
    def writing(self) -> Iterator[None]:
        with _locked(self._directory / ".lock"):
            yield


def read_tagged_file(path: Path) -> Tagged | None:
    """A file's content with a tag; None where there is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return Tagged(content=content, tag=_tag(content))


def replace_file(path: Path, content: bytes, tag: str | None) -> str:
    """Replaces a file that still has this tag, or makes one that is not there (None); returns the new tag.

    Raises:
        Changed: the file is another by now.
        OSError: it cannot be written, or another process holds the lock.
    """
    with _locked(path.with_name(".replacing")):
        found = read_tagged_file(path)
        if (None if found is None else found.tag) != tag:
            raise Changed(f"{path} was replaced meanwhile")
        write_file(path, content)
    return _tag(content)


def _tag(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock of this file; a process that is frozen while it holds it does not hold up others forever."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + _LOCK_SECONDS
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OSError(
                        f"{path}: another process has held this lock for {_LOCK_SECONDS:.0f} s; is it frozen?"
                    ) from None
                time.sleep(_LOCK_PAUSE_SECONDS)
        yield


def write_file(path: Path, content: bytes) -> None:
    """Replaces a file by `content`; it is safe when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    _write(partial, content)
    partial.replace(path)
    _sync(path.parent)


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
