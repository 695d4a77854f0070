"""Decoding of examples: which are usable, what identifies them, and the batch that they make."""

import math
from collections.abc import Sequence

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from feature_repo.decode import MAX_TIME, Rejection, unreadable
from feature_repo.items.table import ItemTable
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example
from runtime.record import UnreadableBatch
from training.batch import Batch, make_batch
from training.ids import hashes

__all__ = ["batch_of", "decode_example", "identity"]


def decode_example(value: bytes | None, vocabulary: Vocabulary) -> Example | Rejection | None:
    """The example, or why it cannot be learned from; None where it was made for other tasks, so that nothing is wrong with it."""
    if isinstance(value, UnreadableBatch):
        return unreadable(value)
    try:
        example = Example.FromString(value or b"")
    except DecodeError as error:
        return Rejection(reason="unparseable", detail=f"not an Example in protobuf: {error}")
    if example.fingerprint != vocabulary.fingerprint:
        return None
    problem = _problem(example, vocabulary)
    return example if problem is None else Rejection(reason="constraint", detail=problem)


def _problem(example: Example, vocabulary: Vocabulary) -> str | None:
    features, tasks = len(vocabulary.features), len(vocabulary.tasks)
    places = len(example.history_item_ids)
    if len(example.features) != features or len(example.history_values) != places * (tasks + 1):
        found = f"{len(example.features)} features and {len(example.history_values)} values for {places} history items"
        return f"{found}, not {features} and {tasks + 1} an item"
    if not math.isfinite(sum(example.features) + sum(example.history_values)):
        return "features or history_values hold values that are not finite"
    if not (0.0 <= example.shown_at <= MAX_TIME and 0.0 <= example.labelled_at <= MAX_TIME):
        return f"shown_at is {example.shown_at} and labelled_at {example.labelled_at}, not times in Unix seconds"
    if len(example.labels) != tasks or len(example.lower_bounds) not in (0, tasks):
        return f"{len(example.labels)} labels and {len(example.lower_bounds)} lower_bounds for {tasks} tasks"
    if any(map(math.isinf, example.predictions)):
        return "predictions hold values that are not finite"
    for at, task in enumerate(vocabulary.tasks):
        given = (example.labels[at], *example.lower_bounds[at : at + 1])
        low, high = task.label_range
        if any(label < low or label > high for label in given):  # NaN, which is neither, says nothing
            return f"labels and lower_bounds of task {task.name} are {given}, not within {low:g} and {high:g}"
    return None


def identity(example: Example) -> tuple[str, tuple[int, ...]]:
    """Log and partition of the event that it came from, and its place there: offset and index among that event's examples."""
    source = example.source
    return f"{source.log}:{source.partition}", (source.offset, example.index)


def batch_of(examples: Sequence[Example], table: ItemTable) -> Batch:
    """The examples with the text vectors that the table holds now.

    Items are numbered as they appear: the table's own numbers depend on the order in which it was read, on them would depend the
    order of sums, and so the last bits of the weights after a restart.
    """
    numbers: dict[int, int] = {}

    def renumbered(item_ids: Sequence[str]) -> NDArray[np.intp]:
        rows = table.rows(item_ids).tolist()
        return np.array([numbers.setdefault(row, len(numbers)) if row >= 0 else -1 for row in rows], dtype=np.intp)

    item_rows = renumbered([example.item_id for example in examples])
    history_rows = [renumbered(example.history_item_ids) for example in examples]
    return make_batch(
        features=np.array([example.features for example in examples], dtype=np.float32),
        item_rows=item_rows,
        history_rows=history_rows,
        history_values=[np.array(example.history_values, dtype=np.float32) for example in examples],
        # Read after the rows: the table may grow meanwhile, and what has a row now is in the array of then.
        vectors=table.vectors[np.array(list(numbers), dtype=np.intp)],
        labels=np.array([example.labels for example in examples], dtype=np.float32),
        lower_bounds=[example.lower_bounds for example in examples],
        ids=hashes((example.user_id, example.item_id, example.shown_at) for example in examples),
        tasks=len(table.vocabulary.tasks),
    )
