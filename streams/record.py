"""Owns the plain forms of what workers take from and put on the log, free of any client library."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Publication", "Record"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One record as it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    appended_at: float
    """When it was appended to the log, Unix seconds."""


class Publication(NamedTuple):
    """One record to publish; without a value it is a tombstone. Records with equal keys keep their order."""

    topic: str
    key: bytes
    value: bytes | None
