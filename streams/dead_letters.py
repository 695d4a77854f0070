"""Owns how a record that cannot be used is kept: with its reason, its place in the log and its original bytes."""

from feature_repo.decode import Rejection
from headwater.internal.v1.streams_pb2 import DeadLetter
from headwater.v1.topics import DEAD_LETTERS
from runtime.record import Publication, Record

__all__ = ["dead_letter"]

_MAX_BYTES = 256 * 1024  # what was too large for its topic must not be too large for this one


def dead_letter(record: Record, rejection: Rejection, now: float) -> Publication:
    """The dead letter of a record rejected at `now` (Unix seconds); values over 256 KiB are cut."""
    value = record.value or b""
    detail = rejection.detail
    if len(value) > _MAX_BYTES:
        detail += f" (only the first {_MAX_BYTES} of {len(value)} bytes are kept here)"
    letter = DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=rejection.reason,
        # Errors quote their input, which may hold what no protobuf string may.
        detail=detail.encode("utf-8", errors="replace").decode(),
        key=(record.key or b"")[:1024],
        value=value[:_MAX_BYTES],
        value_bytes=len(value),
        rejected_at=now,
    )
    return Publication(DEAD_LETTERS.name, letter.key, letter.SerializeToString())
