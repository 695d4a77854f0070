"""What a project's data would teach: labels and rates by task, found by the stream's own fold, and what is missing."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from feature_repo.decoded_event import DecodedEvent, Served
from feature_repo.fold import UserFold
from feature_repo.ranges import ValueRanges, refusal
from feature_repo.rows import UserRow
from feature_repo.tasks import Task
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example, SourcePosition

__all__ = ["LABELLED_EVENTS", "TaskFindings", "find_labels"]

LABELLED_EVENTS = 100_000
"""Events of which the labels are counted; more would only say the same with more digits."""

_FEW = 500
_FEW_OF_EACH = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFindings:
    """Labels of one task."""

    task: Task
    labels: int
    mean: float
    """Share of positives of a binary task; mean of the labels, in training space, of another. NaN without labels."""

    outside: int = 0
    """Values outside the task's declared or running range."""

    @property
    def positives(self) -> int | None:
        """How many of the labels are positives; None for a task that is not binary."""
        return round(self.labels * self.mean) if self.labels and self.task.kind == "binary" else None

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
        if self.positives is not None and min(self.positives, self.labels - self.positives) < _FEW_OF_EACH:
            few = "positives" if 2 * self.positives < self.labels else "negatives"
            return f"few {few}: below {_FEW_OF_EACH} of them the model learns how rare they are, and hardly for whom"
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
    sums: list[list[float]] = [[] for _ in vocabulary.tasks]

    def count(labels: Iterable[float]) -> None:
        for found, label in zip(sums, labels, strict=True):
            if label == label:
                found.append(label)

    ranges, outside_by_task = ValueRanges(vocabulary.tasks), Counter[str]()
    last = 0.0
    for offset, event in enumerate(islice(events, LABELLED_EVENTS)):
        if (row := rows.get(event.user_id)) is None:
            row = rows[event.user_id] = UserRow.empty(event.user_id, vocabulary)
        if refusal(vocabulary.tasks, event) is not None:
            outside_by_task.update(task.name for task in vocabulary.tasks if task.refuses(event.kind, event.value))
            continue
        source = SourcePosition(log=1, partition=0, offset=offset)
        folded = fold.fold(row, event, source, ranges.observe(event, log=1, offset=offset))
        outside_by_task.update(folded.clipped)
        for example in folded.examples:
            count(Example.FromString(example).labels)
        last = event.at
    for row in rows.values():  # what a later event of the user would settle
        for settled in fold.expire(row, last + 1e9):
            count(settled.labels)
    return [
        TaskFindings(
            task=task,
            labels=len(found),
            mean=sum(found) / len(found) if found else float("nan"),
            outside=outside_by_task[task.name],
        )
        for task, found in zip(vocabulary.tasks, sums, strict=True)
    ]
