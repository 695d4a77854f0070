"""Storage of published models in a directory or an object store; each step is done whole or not at all."""

from collections.abc import Callable
from pathlib import Path

from training.storage.local import LocalStorage, write_file
from training.storage.protocol import CURRENT, Storage, is_url, join

__all__ = ["CURRENT", "LocalStorage", "Storage", "is_url", "join", "read_whole", "storage_at", "write_whole"]


def storage_at(location: str | Path, *, clock: Callable[[], float]) -> Storage:
    """The storage at a directory or URL; `clock` gives Unix seconds, by which garbage is told from what is being written."""
    if is_url(location):
        from training.storage.objects import ObjectStorage  # fsspec and its file systems are for those who use them

        return ObjectStorage(str(location), clock=clock)
    return LocalStorage(Path(location))


def write_whole(location: str | Path, content: bytes) -> None:
    """Replaces a file or object by `content`; it is safe when this returns."""
    if is_url(location):
        from training.storage.objects import write_object

        write_object(str(location), content)
    else:
        write_file(Path(location), content)


def read_whole(location: str | Path) -> bytes:
    """Content of a file or object; raises FileNotFoundError."""
    if is_url(location):
        from training.storage.objects import read_object

        return read_object(str(location))
    return Path(location).read_bytes()
