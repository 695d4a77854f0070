"""What a project's data would teach: labels and rates by task, found by the stream's own fold, and what is missing."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from feature_repo.decoded_event import DecodedEvent, Served
from feature_repo.fold import UserFold
from feature_repo.rows import UserRow
from feature_repo.tasks import Task
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example, SourcePosition

__all__ = ["LABELLED_EVENTS", "TaskFindings", "find_labels"]

LABELLED_EVENTS = 100_000
"""Events of which the labels are counted; more would only say the same with more digits."""

_FEW = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFindings:
    """Labels of one task."""

    task: Task
    labels: int
    mean: float
    """Share of positives of a binary task; mean of the labels, in training space, of another. NaN without labels."""

    @property
    def problem(self) -> str | None:
        """Why the task cannot be learned, and what to do; None where it can."""
        task = self.task
        if self.labels == 0:
            return f"no labels: the data holds no event {task.event!r} with what the task needs"
        if task.kind == "binary" and self.mean == 1.0:
            if task.implicit:
                return "no negatives: add impressions, or set sampled_impressions"
            return f"no negatives: every value is at least {task.at_least:g}; raise at_least"
        if task.kind == "binary" and self.mean == 0.0:
            return f"no positives: check that the event is called {task.event!r} in the data, and the window"
        if self.labels < _FEW:
            return f"few labels: below {_FEW} the item's mean is about as good"
        return None


def find_labels(vocabulary: Vocabulary, events: Iterable[DecodedEvent]) -> list[TaskFindings]:
    """What the first LABELLED_EVENTS events, in order of time, would teach each task."""
    nothing = Served(
        fingerprint=vocabulary.fingerprint,
        features=np.empty(0, dtype=np.float32),
        history_item_ids=(),
        history_values=np.empty(0, dtype=np.float32),
    )
    fold = UserFold(vocabulary, lambda row, item_id, at: nothing)
    rows: dict[str, UserRow] = {}
    counts_T = np.zeros(len(vocabulary.tasks), dtype=np.int64)
    sums_T = np.zeros(len(vocabulary.tasks))
    last = 0.0
    for offset, event in enumerate(islice(events, LABELLED_EVENTS)):
        if (row := rows.get(event.user_id)) is None:
            row = rows[event.user_id] = UserRow.empty(event.user_id, vocabulary)
        source = SourcePosition(log=1, partition=0, offset=offset)
        for example in fold.fold(row, event, source).examples:
            labels_T = np.array(Example.FromString(example).labels)
            counts_T += ~np.isnan(labels_T)
            sums_T += np.nan_to_num(labels_T)
        last = event.at
    for row in rows.values():  # what a later event of the user would settle
        for settled in fold.expire(row, last + 1e9):
            labels_T = np.array(settled.labels)
            counts_T += ~np.isnan(labels_T)
            sums_T += np.nan_to_num(labels_T)
    return [
        TaskFindings(task=task, labels=int(count), mean=float(total / count) if count else float("nan"))
        for task, count, total in zip(vocabulary.tasks, counts_T, sums_T, strict=True)
    ]
