"""The storage protocol of published models: versions and one pointer."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from training.storage.ownership import Tagged

__all__ = ["CURRENT", "Storage", "is_url", "join"]

CURRENT = "CURRENT"
"""Name of the pointer to the version that serves."""


class Storage(Protocol):
    """Versions by name, each a few files, and one pointer. Every method raises OSError when the place cannot be reached."""

    location: str
    """Path or URL, for messages."""

    def names(self) -> list[str]:
        """Names of the versions that are there whole, and of whatever else lies next to them."""

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

    def pointer(self) -> Tagged | None:
        """What `CURRENT` says; None where there is none."""

    def point(self, text: str, tag: str | None) -> None:
        """Replaces `CURRENT` if it still has this tag, or if there is still none; raises Changed otherwise."""

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
