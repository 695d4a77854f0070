"""A recorded history played through the stream's own fold, join, assembly and learning, without the stream."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch

from feature_repo.assembly.assemble import assemble_served
from feature_repo.decoded_event import DecodedEvent
from feature_repo.due import DueUsers
from feature_repo.fold import UserFold, fold_item
from feature_repo.items.table import ItemTable
from feature_repo.pending_impressions import is_labelled
from feature_repo.rows import ItemRow, UserRow
from feature_repo.tasks import Task
from headwater.internal.v1.streams_pb2 import Example, SourcePosition
from training.batch import Batch, make_batch
from training.ids import hashes
from training.metrics.progress import Progress
from training.metrics.ranking import Ranking, rank_quality
from training.model import Recommender
from training.release.guard import Guard, GuardConfig, Verdict
from training.release.holdout import holdout_mask
from training.shown import ShownPredictions
from training.trainer import StepReport, Trainer

__all__ = ["HistoryFold", "HistoryRun", "Judged", "batch_of"]


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


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """Every example that was learned from, in order; each array is (examples, T), in training space."""

    predictions: npt.NDArray[np.float32]
    """Made when its item was shown, by the weights and features of that moment; see `training.shown`."""
    labels: npt.NDArray[np.float32]
    """NaN where the example says nothing of the task."""
    item_means: npt.NDArray[np.float32]
    """The item's running mean label before the example: what a counter alone would have said."""
    user_item_means: npt.NDArray[np.float32]
    """The same plus the user's running bias."""
    users: npt.NDArray[np.int64]
    """Number of each example's user, (examples,)."""
    items: npt.NDArray[np.int64]
    """Number of its item, (examples,)."""

    def figures(self, tasks: tuple[Task, ...]) -> dict[str, dict[str, dict[str, dict[str, float | None]]]]:
        """Quality by task, window (`all`, `last_fifth`), what predicted (`headwater`, `user_item_mean`, `item_mean`) and metric.

        Metrics are those of `training.metrics.progress.Quality` and, for binary tasks, those of
        `training.metrics.ranking.Ranking` for lists of ten; None where nothing can be said.
        """
        found: dict[str, dict[str, dict[str, dict[str, float | None]]]] = {
            task.name: {"all": {}, "last_fifth": {}} for task in tasks
        }
        means = {"user_item_mean": self.user_item_means, "item_mean": self.item_means}
        for name, predictions in {"headwater": self.predictions, **means}.items():
            progress = Progress(tasks, capacity=max(len(self.labels), 1))
            progress.add(torch.from_numpy(self._possible(predictions, tasks)), torch.from_numpy(self.labels))
            for window, last in (("all", None), ("last_fifth", len(self.labels) // 5)):
                for task, quality in progress.quality(last).items():
                    metrics = asdict(quality).items()
                    found[task][window][name] = {metric: value if math.isfinite(value) else None for metric, value in metrics}
                for index, one in enumerate(tasks):
                    if one.kind == "binary":
                        lists = asdict(self._lists(predictions[:, index], index, last)).items()
                        found[one.name][window][name] |= {
                            f"{metric}_at_10": value if math.isfinite(value) else None for metric, value in lists
                        }
        return found

    def _lists(self, predictions: npt.NDArray[np.float32], task: int, last: int | None) -> Ranking:
        known = np.flatnonzero(~np.isnan(self.labels[:, task]))
        known = known if last is None else known[known >= len(self.labels) - last]
        return rank_quality(self.users[known], self.items[known], self.labels[known, task], predictions[known])

    @staticmethod
    def _possible(predictions: npt.NDArray[np.float32], tasks: tuple[Task, ...]) -> npt.NDArray[np.float32]:
        """Predictions of binary tasks within what a log loss can judge: a mean plus a bias may leave 0 to 1."""
        binary_T = np.array([task.kind == "binary" for task in tasks])
        return np.where(binary_T, np.clip(predictions, 1e-4, 1 - 1e-4), predictions)


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
        self._fold = UserFold(table.vocabulary, lambda row, item_id, at: assemble_served(row, table, item_id, at))
        self._due = DueUsers()

    def fold(self, event: DecodedEvent) -> list[Example]:
        """The labelled examples that this event leads to, in order."""
        return [example for example in self.fold_all(event) if is_labelled(example)]

    def fold_all(self, event: DecodedEvent) -> list[Example]:
        """All examples that the log would hold of this event: its own, what was shown too, then what is due of other users."""
        source = SourcePosition(log=1, partition=0, offset=self.events)
        row = self.user(event.user_id)
        folded = self._fold.fold(row, event, source)
        self.events += 1
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

    def __init__(self, table: ItemTable, trainer: Trainer, *, batch_size: int = 32, guard: GuardConfig | None = None) -> None:
        """Args: `guard` says how what is learned is judged; None: all is learned and nothing is judged."""
        self.trainer = trainer
        self.fold = HistoryFold(table)
        self.judgements: list[Verdict] = []
        self._guard = Guard(trainer, guard, seed=0) if guard else None
        self._batch_size = batch_size
        self._waiting: list[Example] = []
        self._shown = ShownPredictions(tasks=len(table.vocabulary.tasks))
        self._judged: list[npt.NDArray[np.float32]] = []
        self._whose: list[tuple[int, int]] = []
        self._numbers: dict[str, int] = {}
        names, tasks = table.vocabulary.features, table.vocabulary.tasks
        self._means = [[names.index(f"{task.name}:{name}") for task in tasks] for name in ("item_mean", "expected")]

    def play(self, events: Iterable[DecodedEvent]) -> None:
        """Folds, joins and learns; examples short of a full batch wait, as they do in the learner."""
        for event in events:
            for example in self.fold.fold_all(event):
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
        tasks = len(self.fold.table.vocabulary.tasks)
        predictions, labels, item_means, user_item_means = np.concatenate(
            self._judged or [np.empty((4, 0, tasks), dtype=np.float32)], axis=1
        )
        users, items = np.array(self._whose, dtype=np.int64).reshape(-1, 2).T
        return Judged(
            predictions=predictions,
            labels=labels,
            item_means=item_means,
            user_item_means=user_item_means,
            users=users,
            items=items,
        )

    def _learn(self, examples: list[Example]) -> None:
        table, model = self.fold.table, self.trainer.model
        self._shown.predict(model, lambda shown: batch_of(shown, table))
        batch = batch_of(examples, table)
        report = self._taught(batch, examples)
        predictions_BT = self._shown.of(examples, report.answers_BT, model)
        labels_BT = report.labels_BT.masked_fill(predictions_BT.isnan(), torch.nan)
        means = [batch.x_BF[:, columns].numpy() for columns in self._means]
        for example in examples:
            user = self._numbers.setdefault(example.user_id, len(self._numbers))
            self._whose.append((user, table.index[example.item_id]))
        self._judged.append(np.stack((predictions_BT.nan_to_num().numpy(), labels_BT.numpy(), *means)))

    def _taught(self, batch: Batch, examples: list[Example]) -> StepReport:
        if self._guard is None:
            return self.trainer.learn(batch)
        report, judgement = self._guard.learn(batch, holdout_mask(examples, self._guard.config.share))
        if judgement is not None:
            self.judgements.append(judgement)
        return report
