"""Plain forms of what is read from and written to the log, free of any client library."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Oversized", "Publication", "Record", "UnreadableBatch"]


class UnreadableBatch(bytes):
    """The value of a record that stands for a batch, or the rest of one, that cannot be read: the batch as the log holds it."""

    reason: str
    """Why, as text."""

    def __new__(cls, batch: bytes, reason: str) -> "UnreadableBatch":
        made = super().__new__(cls, batch)
        made.reason = reason
        return made


class Record(NamedTuple):
    """One record as it was read; a tuple, since one is made for each event and a frozen dataclass takes five times as long."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Oversized:
    """A record that its topic does not take, even alone."""

    publication: Publication
    size: int
    """Bytes of the batch that held it alone, compressed as it was sent."""
    limit: int | None
    """The topic's max.message.bytes; None where the broker does not tell."""
