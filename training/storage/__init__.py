"""Storage of published models in a directory or an object store; each step is done whole or not at all."""

from collections.abc import Callable
from pathlib import Path

from training.storage.local import LocalStorage, read_tagged_file, replace_file, write_file
from training.storage.ownership import Changed, Owner, SupersededError, Tagged
from training.storage.protocol import CURRENT, Storage, is_url, join

__all__ = [
    "CURRENT",
    "Changed",
    "LocalStorage",
    "Owner",
    "Storage",
    "SupersededError",
    "Tagged",
    "is_url",
    "join",
    "read_tagged",
    "read_whole",
    "replace_whole",
    "storage_at",
    "write_whole",
]


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


def replace_whole(location: str | Path, content: bytes, tag: str | None) -> str:
    """Replaces a file or object that still has this tag, or makes one where there is none (None); returns the new tag.

    Raises:
        Changed: it is another by now.
        OSError: it cannot be written.
    """
    if is_url(location):
        from training.storage.objects import replace_object

        return replace_object(str(location), content, tag)
    return replace_file(Path(location), content, tag)


def read_tagged(location: str | Path) -> Tagged | None:
    """Content of a file or object with its tag; None where there is none."""
    if is_url(location):
        from training.storage.objects import read_tagged_object

        return read_tagged_object(str(location))
    return read_tagged_file(Path(location))


def read_whole(location: str | Path) -> bytes:
    """Content of a file or object; raises FileNotFoundError."""
    if is_url(location):
        from training.storage.objects import read_object

        return read_object(str(location))
    return Path(location).read_bytes()
