"""The row store as the owner of some partitions sees it: reads go through, writes are conditional on the partitions' fences."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from feature_repo.backends.fencing import Fenced, Fences, Watermark
from feature_repo.rows import ItemRow, UserRow
from feature_repo.store import Fencing, RowStore
from headwater.internal.v1.streams_pb2 import ItemContent

__all__ = ["OwnedRows"]


class OwnedRows:
    """Rows that one consumer group writes. Not for use from several threads at once.

    A worker claims the partitions that it is assigned, and says before each batch where the batch ends; all writes up to the next
    `begin` belong to that batch.
    """

    def __init__(self, store: RowStore, group: str, *, log: Callable[[], int]) -> None:
        """Args: `log` tells the id of the topic that the group reads."""
        self._store, self._log = store, log
        self._fences = Fences(group)
        self._batch: Fencing | None = None

    @property
    def claimed(self) -> bool:
        """Whether partitions are held."""
        return self._fences.held

    def claim(self, partitions: Iterable[int]) -> dict[int, Watermark | None]:
        """Takes ownership; for each partition, up to where the store's rows count, None where they know nothing of this log.

        Raises StoreUnavailable.
        """
        claims, log = self._store.claim(self._fences.group, partitions), self._log()
        self._fences.take(claims)
        marks = {partition: claim.watermark for partition, claim in claims.items()}
        return {partition: mark if mark is not None and mark.log == log else None for partition, mark in marks.items()}

    def release(self) -> None:
        """Gives up ownership: nothing is written until the next claim."""
        self._fences.release()
        self._batch = None

    def begin(self, ends: Mapping[int, int]) -> None:
        """A batch that ends before offset `ends[partition]` is about to be written.

        Raises:
            Fenced: one of the partitions is not held.
        """
        self._batch = Fencing(group=self._fences.group, spans=self._fences.spans(self._log(), ends))

    def finish(self) -> None:
        """The batch is written: the next one goes on from its watermarks."""
        assert self._batch is not None
        self._fences.wrote(self._batch.spans)
        self._batch = None

    def read_users(self, user_ids: Sequence[str]) -> dict[str, UserRow]:
        """As RowStore does."""
        return self._store.read_users(user_ids)

    def read_items(self, item_ids: Sequence[str]) -> dict[str, ItemRow]:
        """As RowStore does."""
        return self._store.read_items(item_ids)

    def state(self, partition: int) -> bytes:
        """The state of a partition that was last written with its rows; empty for none."""
        return self._fences.state(partition)

    def write_users(self, rows: Sequence[UserRow], states: Mapping[int, bytes]) -> None:
        """Writes rows, and with them the states of their partitions.

        Raises Fenced, StoreWentBack or StoreUnavailable; then nothing of this call's last part was written.
        """
        batch = self._fencing()
        spans = {at: span.with_state(states[at]) if at in states else span for at, span in batch.spans.items()}
        self._batch = replace(batch, spans=spans)
        self._store.write_users(rows, self._batch)

    def write_items(self, rows: Sequence[ItemRow]) -> None:
        """Raises as `write_users` does."""
        self._store.write_items(rows, self._fencing())

    def write_contents(self, contents: Sequence[ItemContent]) -> None:
        """Raises as `write_users` does."""
        self._store.write_contents(contents, self._fencing())

    def delete_items(self, item_ids: Sequence[str]) -> None:
        """Raises as `write_users` does."""
        self._store.delete_items(item_ids, self._fencing())

    def _fencing(self) -> Fencing:
        if self._batch is None:
            raise Fenced(f"group {self._fences.group} writes outside a batch of partitions that it has claimed")
        return self._batch
