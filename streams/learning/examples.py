"""Decoding of examples: which are usable, what identifies them, and the batch that they make."""

import math
from collections.abc import Sequence

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from feature_repo.items.table import ItemTable
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example
from runtime.record import UnreadableBatch
from training.batch import Batch, make_batch
from training.ids import hashes

__all__ = ["batch_of", "decode_example", "identity"]


def decode_example(value: bytes | None, vocabulary: Vocabulary) -> Example | None:
    """The example, if it can be read and was made for this vocabulary, of finite numbers; else None."""
    if isinstance(value, UnreadableBatch):
        return None
    try:
        example = Example.FromString(value or b"")
    except DecodeError:
        return None
    tasks = len(vocabulary.tasks)
    fits = (
        example.fingerprint == vocabulary.fingerprint
        and len(example.features) == len(vocabulary.features)
        and len(example.labels) == tasks
        and len(example.history_values) == len(example.history_item_ids) * (tasks + 1)
        and math.isfinite(sum(example.features) + sum(example.history_values))
        and len(example.lower_bounds) in (0, tasks)
        and not any(map(math.isinf, (*example.labels, *example.lower_bounds)))
    )
    return example if fits else None


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
