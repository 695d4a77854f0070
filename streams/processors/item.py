"""Item processor: item actions in; item rows and their state for every item table out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from feature_repo.codec import encode_activity
from feature_repo.decode import Rejection
from feature_repo.fold import fold_item
from feature_repo.items.records import decode_action
from feature_repo.rows import ItemRow
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import ItemAction
from headwater.v1.topics import ITEM_ACTIVITY
from runtime.record import Publication, Record
from streams.dead_letters import dead_letter
from streams.processors.row_cache import CacheUse, RowCache

__all__ = ["ItemProcessor", "ItemRows", "ItemWork"]


class ItemRows(Protocol):
    """Where items' activity rows live; `feature_repo.store.RowStore` is one."""

    def read_items(self, item_ids: Sequence[str]) -> dict[str, ItemRow]: ...

    def write_items(self, rows: Sequence[ItemRow]) -> None: ...


@dataclass(kw_only=True, slots=True)
class ItemWork:
    """What one batch led to: first publish, then write the rows, then acknowledge."""

    publications: list[Publication] = field(default_factory=list)
    rows: dict[str, ItemRow] = field(default_factory=dict)
    folded: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Dead letters by reason."""
    cache: CacheUse | None = None


class ItemProcessor:
    """Folds batches of item actions; holds rows between batches, so only one may work on a partition at a time."""

    def __init__(self, vocabulary: Vocabulary, *, store: ItemRows, clock: Callable[[], float], cached_rows: int) -> None:
        """Args: `clock` gives Unix seconds."""
        self._vocabulary = vocabulary
        self._store, self._clock = store, clock
        self._rows = RowCache(
            read=store.read_items, empty=lambda item_id: ItemRow.empty(item_id, vocabulary), capacity=cached_rows
        )

    def process(self, records: Sequence[Record]) -> ItemWork:
        """Folds the records in order; raises what the store raises, and then nothing has changed."""
        work = ItemWork()
        actions: list[ItemAction] = []
        for record in records:
            action = decode_action(record.value, key=record.key, vocabulary=self._vocabulary)
            if isinstance(action, Rejection):
                work.publications.append(dead_letter(record, action, self._clock()))
                work.rejected[action.reason] += 1
            else:
                actions.append(action)
        rows = self._rows.take(action.item_id for action in actions)
        work.cache = self._rows.use
        for action in actions:
            if fold_item(rows[action.item_id], action):
                work.folded += not action.deleted
                work.rows[action.item_id] = rows[action.item_id]
        work.publications += [self._state(row) for row in work.rows.values()]
        return work

    def write(self, work: ItemWork) -> Sequence[Publication]:
        """Writes the rows that changed; raises what the store raises, and may then be called again."""
        self._store.write_items(list(work.rows.values()))
        return ()

    def forget(self) -> None:
        """Drops the rows in memory: another worker may own them now."""
        self._rows.clear()

    def _state(self, row: ItemRow) -> Publication:
        if not row.updated_at:  # erased: everyone's table drops its counters
            return Publication(ITEM_ACTIVITY.name, row.item_id.encode(), None)
        activity = encode_activity(row, self._vocabulary)
        return Publication(ITEM_ACTIVITY.name, row.item_id.encode(), activity.SerializeToString())
