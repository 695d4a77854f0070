"""A recorded history played through the stream's own fold, join, assembly and learning, without the stream."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from feature_repo.assembly.assemble import assemble_served
from feature_repo.decoded_event import DecodedEvent
from feature_repo.fold import UserFold, fold_item
from feature_repo.items.table import ItemTable
from feature_repo.pending_impressions import is_labelled
from feature_repo.ranges import ValueRanges, refusal
from feature_repo.rows import ItemRow, UserRow
from headwater.internal.v1.streams_pb2 import Example, SourcePosition
from training.batch import Batch, make_batch
from training.due import DueUsers
from training.ids import hashes
from training.metrics.baselines import RecentPopularity, boosted_trees
from training.metrics.judged import Judged, ShownItem
from training.model import Recommender
from training.release.guard import Guard, GuardConfig, Verdict
from training.release.holdout import holdout_mask
from training.shown import ShownPredictions
from training.trainer import StepReport, Trainer

__all__ = ["HistoryFold", "HistoryRun", "batch_of"]


def batch_of(examples: Sequence[Example], table: ItemTable) -> Batch:
    """Examples as tensors; text vectors come from the table, zeros for items that it does not know."""
    return make_batch(
        features=np.array([example.features for example in examples], dtype=np.float32),
        item_rows=table.rows([example.item_id for example in examples]),
        history_rows=[table.rows(example.history_item_ids) for example in examples],
        history_values=[np.array(example.history_values, dtype=np.float32) for example in examples],
        vectors=table.vectors,
        labels=np.array([example.labels for example in examples], dtype=np.float32),
        lower_bounds=[example.lower_bounds for example in examples],
        ids=hashes((example.user_id, example.item_id, example.shown_at) for example in examples),
        tasks=len(table.vocabulary.tasks),
    )


class HistoryFold:
    """Folds events in order into user rows, item rows and labelled examples; features are exact as of each event's own place.

    What the stream does with lags of milliseconds happens here with none: the item table follows each event at once.
    """

    def __init__(self, table: ItemTable) -> None:
        self.table = table
        self.users: dict[str, UserRow] = {}
        self.items: dict[str, ItemRow] = {}
        self.events = 0
        self.duplicates = 0
        self.clipped = Counter[str]()
        """Values outside their task's range, by task; each counts as the nearest within."""
        self.refused = 0
        """Events whose value a task refuses."""
        self._ranges = ValueRanges(table.vocabulary.tasks)
        self._fold = UserFold(table.vocabulary, lambda row, item_id, at: assemble_served(row, table, item_id, at))
        self._due = DueUsers()

    def fold(self, event: DecodedEvent) -> list[Example]:
        """The labelled examples that this event leads to, in order."""
        return [example for example in self.fold_all(event) if is_labelled(example)]

    def fold_all(self, event: DecodedEvent) -> list[Example]:
        """All examples that the log would hold of this event: its own, what was shown too, then what is due of other users."""
        source = SourcePosition(log=1, partition=0, offset=self.events)
        if refusal(self.table.vocabulary.tasks, event) is not None:
            self.refused += 1
            return []
        row = self.user(event.user_id)
        outside = self._ranges.observe(event, log=source.log, offset=source.offset)
        folded = self._fold.fold(row, event, source, outside)
        self.events += 1
        self.clipped.update(folded.clipped)
        if folded.action is None:
            self.duplicates += 1
            return []
        if (item := self.items.get(event.item_id)) is None:
            item = self.items[event.item_id] = ItemRow.empty(event.item_id, self.table.vocabulary)
        fold_item(item, folded.action)
        self.table.set_activity(event.item_id, item.updated_at, item.counters_CH, item.audience())
        self._due.set(event.user_id, self._fold.due_at(row))
        return [Example.FromString(example) for example in (*folded.examples, *self._settle(source, event.at))]

    def user(self, user_id: str) -> UserRow:
        """The user's row as it stands; a new one for a user not met before."""
        if (row := self.users.get(user_id)) is None:
            row = self.users[user_id] = UserRow.empty(user_id, self.table.vocabulary)
        return row

    def _settle(self, source: SourcePosition, at: float) -> Iterator[bytes]:
        for rank, user_id in enumerate(self._due.advance(at)):
            row = self.users[user_id]
            yield from self._fold.settle(row, self._due.time, source, rank)
            self._due.set(user_id, self._fold.due_at(row))


class HistoryRun:
    """Plays events in order into a fold and a trainer, in batches of one size as the learner cuts them."""

    def __init__(
        self, table: ItemTable, trainer: Trainer, *, batch_size: int = 32, guard: GuardConfig | None = None, trees: bool = False
    ) -> None:
        """Args: `guard` says how what is learned is judged; None: all is learned and nothing is judged.

        `trees`: whether `judged` trains LightGBM as well.
        """
        self.trainer = trainer
        self.fold = HistoryFold(table)
        self.judgements: list[Verdict] = []
        self._guard = Guard(trainer, guard, seed=0) if guard else None
        self._batch_size = batch_size
        self._waiting: list[Example] = []
        self._shown = ShownPredictions(tasks=len(table.vocabulary.tasks))
        self._judged: list[npt.NDArray[np.float32]] = []
        self._items_shown: list[ShownItem] = []
        self._features: list[npt.NDArray[np.float32]] | None = [] if trees else None
        self._popularity = [RecentPopularity() for _ in table.vocabulary.tasks]
        names, tasks = table.vocabulary.features, table.vocabulary.tasks
        self._means = [[names.index(f"{task.name}:{name}") for task in tasks] for name in ("item_mean", "expected")]

    def play(self, events: Iterable[DecodedEvent]) -> None:
        """Folds, joins and learns; examples short of a full batch wait, as they do in the learner."""
        for event in events:
            duplicates = self.fold.duplicates
            examples = self.fold.fold_all(event)
            if self.fold.duplicates == duplicates:
                self._count(event)
            for example in examples:
                if not is_labelled(example):
                    self._shown.show(example)
                    continue
                self._waiting.append(example)
                if len(self._waiting) == self._batch_size:
                    self._learn(self._waiting)
                    self._waiting = []

    def good(self) -> tuple[Recommender | None, int]:
        """The model to publish and how many examples it has seen: the last that passed the guard, None if none did."""
        if self._guard is None:
            return self.trainer.model, self.trainer.examples
        return self._guard.good(), self._guard.good_examples

    def judged(self) -> Judged:
        """Progressive validation so far."""
        tasks = self.fold.table.vocabulary.tasks
        predictions, labels, item_means, user_item_means, popularity = np.concatenate(
            self._judged or [np.empty((5, 0, len(tasks)), dtype=np.float32)], axis=1
        )
        baselines = {"user_item_mean": user_item_means, "item_mean": item_means, "recent_popularity": popularity}
        if self._features is not None and self._features:
            baselines["lightgbm"] = boosted_trees(
                tasks,
                np.concatenate(self._features),
                labels,
                shown_at=np.array([one.shown_at for one in self._items_shown]),
                labelled_at=np.array([one.labelled_at for one in self._items_shown]),
                last=len(labels) // 5,
            )
        return Judged(tasks=tasks, shown=self._items_shown, predictions=predictions, labels=labels, baselines=baselines)

    def _count(self, event: DecodedEvent) -> None:
        for task, popularity in zip(self.fold.table.vocabulary.tasks, self._popularity, strict=True):
            if task.kind == "binary" and event.kind == task.event and task.label(event.value):
                popularity.add(event.item_id, event.at)

    def _learn(self, examples: list[Example]) -> None:
        table, model = self.fold.table, self.trainer.model
        self._shown.predict(model, lambda shown: batch_of(shown, table))
        batch = batch_of(examples, table)
        report = self._taught(batch, examples)
        predictions_BT = self._shown.of(examples, report.answers_BT, model)
        labels_BT = report.labels_BT.masked_fill(predictions_BT.isnan(), torch.nan)
        means = [batch.x_BF[:, columns].numpy() for columns in self._means]
        if self._features is not None:
            self._features.append(batch.x_BF.numpy().copy())
        for example in examples:
            self._items_shown.append(
                ShownItem(
                    user_id=example.user_id,
                    item_id=example.item_id,
                    recommendation_id=example.recommendation_id,
                    shown_at=example.shown_at,
                    labelled_at=example.labelled_at,
                )
            )
        popular = [[self._popular(at, example) for at in range(len(self._popularity))] for example in examples]
        self._judged.append(np.stack((predictions_BT.nan_to_num().numpy(), labels_BT.numpy(), *means, np.array(popular))))

    def _popular(self, task: int, example: Example) -> float:
        """How popular its item was when it was shown; NaN of a task that has no use for it."""
        binary = self.fold.table.vocabulary.tasks[task].kind == "binary"
        return self._popularity[task].of(example.item_id, example.shown_at) if binary else float("nan")

    def _taught(self, batch: Batch, examples: list[Example]) -> StepReport:
        if self._guard is None:
            return self.trainer.learn(batch)
        report, judgement = self._guard.learn(batch, holdout_mask(examples, self._guard.config.share))
        if judgement is not None:
            self.judgements.append(judgement)
        return report
