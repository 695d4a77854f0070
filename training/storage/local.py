"""Storage in a local directory."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from training.storage.protocol import CURRENT

__all__ = ["LocalStorage", "write_file"]


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
        write_file(self._directory / CURRENT, text.encode())

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
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
