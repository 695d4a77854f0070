"""Fences of the online store: who owns a partition's rows, and up to which offset of its log they count.

A worker claims the partitions that it is assigned. Each claim gets an epoch that is higher than every earlier one. Every batch
is written together with the new end offset, on two conditions: the epoch is still the latest, and the store still holds the end
offset that this owner wrote last. The first keeps out a worker that was frozen while another took over (a fencing token, as in
Kleppmann, Designing Data-Intensive Applications, ch. 8); the second notices a store that was restored from an older copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

__all__ = ["Claim", "Fenced", "Fences", "Span", "StoreWentBack", "Watermark"]


class Fenced(RuntimeError):
    """Another process owns a partition now: nothing was written, and this process must stop writing its rows."""


class StoreWentBack(RuntimeError):
    """The store holds an older state than this owner wrote: nothing was written; read again from the store's own offset."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watermark:
    """Up to where the store's rows of one partition count."""

    log: int
    """Id of the topic's log, as rows carry it."""
    end: int
    """Offset behind the last record that the rows include."""
    state: bytes = b""
    """The state of the partition as a whole after these records, such as the ranges of values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One partition's epoch, and the watermark that the store held when it was claimed (None for a store without rows)."""

    epoch: int
    watermark: Watermark | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """What one batch does to one partition's fence: from the watermark that the store must hold to the one that it will."""

    epoch: int
    before: Watermark | None
    after: Watermark | None

    def with_state(self, state: bytes) -> "Span":
        """The same with another state of the partition after the batch."""
        return self if self.after is None else replace(self, after=replace(self.after, state=state))

    @property
    def held_back(self) -> "Span":
        """The same conditions for all but the last part of a batch that is written in parts: the watermark stays."""
        return Span(epoch=self.epoch, before=self.before, after=self.before)


class Fences:
    """The fences that one process holds for one consumer group; the store keeps them, this remembers what it must find there."""

    def __init__(self, group: str) -> None:
        self.group = group
        self._claims: dict[int, Claim] = {}

    @property
    def held(self) -> bool:
        """Whether any partition is held."""
        return bool(self._claims)

    def take(self, claims: Mapping[int, Claim]) -> None:
        """Replaces what is held: partitions were assigned, and claimed in the store."""
        self._claims = dict(claims)

    def release(self) -> None:
        """Partitions were revoked; nothing may be written until the next `take`."""
        self._claims = {}

    def state(self, partition: int) -> bytes:
        """What was last written as the state of a partition that is held; empty for none."""
        claim = self._claims.get(partition)
        return b"" if claim is None or claim.watermark is None else claim.watermark.state

    def spans(self, log: int, ends: Mapping[int, int]) -> dict[int, Span]:
        """The conditions and new watermarks of a batch that ends before offset `ends[partition]`.

        A watermark never moves back within a log: records that are read again leave it where it is.

        Raises:
            Fenced: a partition of the batch is not held.
        """
        spans: dict[int, Span] = {}
        for partition, end in ends.items():
            claim = self._claims.get(partition)
            if claim is None:
                raise Fenced(f"partition {partition} of group {self.group} is not assigned to this process; its batch is dropped")
            before = claim.watermark
            known = before.end if before is not None and before.log == log else 0
            state = before.state if before is not None else b""
            after = Watermark(log=log, end=max(end, known), state=state)
            spans[partition] = Span(epoch=claim.epoch, before=before, after=after)
        return spans

    def wrote(self, spans: Mapping[int, Span]) -> None:
        """Remembers the watermarks of a batch that the store has taken."""
        for partition, span in spans.items():
            self._claims[partition] = Claim(epoch=span.epoch, watermark=span.after)


def refusal(group: str, partition: int, span: Span, *, epoch: int, held: Watermark | None) -> Fenced | StoreWentBack:
    """The error for a write whose condition does not hold: the store has `epoch` and `held` where `span` was expected."""
    if epoch > span.epoch:
        return Fenced(
            f"partition {partition} of group {group} was claimed by another process (epoch {epoch}, this process holds "
            f"{span.epoch}): this one was frozen, partitioned or slow. Its batch is dropped and read again by the owner"
        )
    return StoreWentBack(
        f"the online store is older than what was written to it: partition {partition} of group {group} counts to "
        f"{_shown(held)} there and to {_shown(span.before)} here. It was restored from a copy, or lost writes in a failover; "
        "its records are read again from where the store stands"
    )


def _shown(watermark: Watermark | None) -> str:
    return "no offset" if watermark is None else f"offset {watermark.end} of log {watermark.log:x}"
