"""Owns the running of a recorded history through the stream's own fold, join, assembly and learning, without the stream."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_repo.assemble import assemble_served
from feature_repo.fold import UserFold, fold_item
from feature_repo.occurrence import Occurrence
from feature_repo.rows import ItemRow, UserRow
from feature_repo.table import ItemTable
from protos.streams_pb2 import Example, SourcePosition
from training.batch import Batch, make_batch
from training.trainer import Trainer

__all__ = ["HistoryRun", "Judged", "batch_of"]


def batch_of(examples: list[Example], table: ItemTable) -> Batch:
    """Examples as tensors; text vectors come from the table, zeros for items that it does not know."""
    return make_batch(
        features=np.array([example.features for example in examples], dtype=np.float32),
        item_rows=table.rows([example.item_id for example in examples]),
        history_rows=[table.rows(example.history_item_ids) for example in examples],
        history_values=[np.array(example.history_values, dtype=np.float32) for example in examples],
        vectors=table.vectors,
        labels=np.array([example.labels for example in examples], dtype=np.float32),
        tasks=len(table.vocabulary.tasks),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """Every example that was learned from, in order: what was predicted before, and what then turned out. Both (examples, T)."""

    predictions: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float32]


class HistoryRun:
    """Plays events in order into user rows, item rows and a trainer; features are exact as of each event's own place.

    What the stream does with lags of milliseconds happens here with none: the item table follows each event at once.
    """

    def __init__(self, table: ItemTable, trainer: Trainer, *, batch_size: int = 32) -> None:
        self.table = table
        self.trainer = trainer
        self.users: dict[str, UserRow] = {}
        self.items: dict[str, ItemRow] = {}
        self.duplicates = 0
        self._fold = UserFold(table.vocabulary, lambda row, item_id, at: assemble_served(row, table, item_id, at))
        self._batch_size = batch_size
        self._events = 0
        self._waiting: list[Example] = []
        self._judged: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = []

    def play(self, events: Iterable[Occurrence]) -> None:
        """Folds, joins and learns; examples short of a full batch wait, as they do in the learner."""
        vocabulary = self.table.vocabulary
        for event in events:
            if (row := self.users.get(event.user_id)) is None:
                row = self.users[event.user_id] = UserRow.empty(event.user_id, vocabulary)
            folded = self._fold.fold(row, event, SourcePosition(log=1, partition=0, offset=self._events))
            self._events += 1
            if folded.action is None:
                self.duplicates += 1
                continue
            if (item := self.items.get(event.item_id)) is None:
                item = self.items[event.item_id] = ItemRow.empty(event.item_id, vocabulary)
            fold_item(item, folded.action)
            self.table.set_activity(event.item_id, item.updated_at, item.counters_CH)
            self._waiting += folded.examples
            while len(self._waiting) >= self._batch_size:
                self._learn(self._waiting[: self._batch_size])
                del self._waiting[: self._batch_size]

    def judged(self) -> Judged:
        """Progressive validation so far."""
        tasks = len(self.table.vocabulary.tasks)
        empty = np.empty((0, tasks), dtype=np.float32)
        predictions, labels = zip(*self._judged, strict=True) if self._judged else ((empty,), (empty,))
        return Judged(predictions=np.concatenate(predictions), labels=np.concatenate(labels))

    def _learn(self, examples: list[Example]) -> None:
        report = self.trainer.learn(batch_of(examples, self.table))
        self._judged.append((report.predictions_BT.numpy(), report.labels_BT.numpy()))
