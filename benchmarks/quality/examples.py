"""MovieLens as labelled examples in arrays: folded once by the stream's own code, then learned from many times."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feature_repo.assembly.assemble import assemble
from feature_repo.decoded_event import DecodedEvent, Served
from feature_repo.items.table import ItemTable
from feature_repo.vocabulary import HISTORY
from headwater.internal.v1.streams_pb2 import Example
from training.batch import Batch, make_batch
from training.history import HistoryFold

__all__ = ["Examples", "arrays", "by_count", "by_time", "cached", "fold"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Examples:
    """n examples in order of time, one for each rating, with all that any of the compared models may see."""

    x: NDArray[np.float32]
    """Features, (n, F), in the vocabulary's order."""
    users: NDArray[np.int64]
    """Number of the user, (n,)."""
    items: NDArray[np.int64]
    """Row of the item in the table, (n,)."""
    history: NDArray[np.int64]
    """Rows of the user's recent items, (n, HISTORY), -1 for none."""
    history_values: NDArray[np.float32]
    """(n, HISTORY, T + 1)."""
    labels: NDArray[np.float32]
    """(n, T), in training space."""
    at: NDArray[np.float64]
    """Unix seconds, (n,)."""
    vectors: NDArray[np.float32]
    """Text vectors of all items, (items, D)."""

    def __len__(self) -> int:
        return len(self.at)

    def batch(self, start: int, stop: int) -> Batch:
        """Examples from `start` up to `stop` as the model takes them."""
        part = slice(start, stop)
        return make_batch(
            features=self.x[part],
            item_rows=self.items[part],
            history_rows=list(self.history[part]),
            history_values=list(self.history_values[part]),
            vectors=self.vectors,
            labels=self.labels[part],
            ids=np.column_stack((1 + self.users[part], (1 << 32) + self.items[part], self.at[part].astype(np.int64))),
            tasks=self.labels.shape[1],
        )


def by_time(at: Sequence[float]) -> list[tuple[int, int]]:
    """Bounds of the stretches whose times are equal.

    >>> by_time([5, 5, 7])
    [(0, 2), (2, 3)]
    """
    bounds, start = [], 0
    for _, stretch in groupby(at):
        stop = start + sum(1 for _ in stretch)
        bounds.append((start, stop))
        start = stop
    return bounds


def by_count(size: int, count: int) -> list[tuple[int, int]]:
    """Bounds of stretches of `count`, the last one shorter.

    >>> by_count(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(start, min(start + count, size)) for start in range(0, size, count)]


def fold(pairs: Sequence[tuple[DecodedEvent, DecodedEvent]], table: ItemTable, stretches: Iterable[tuple[int, int]]) -> Examples:
    """Folds pairs of an impression and its action; the features of a stretch know nothing of what happens in it.

    Args:
        pairs: in order of time.
        table: holds the items' content and no activity yet; it is changed.
        stretches: bounds of consecutive stretches of pairs. One of many pairs is served as of its first pair's time.
    """
    run = HistoryFold(table)
    examples: list[Example] = []
    for start, stop in stretches:
        part = pairs[start:stop]
        for (shown, action), served in zip(part, _served(run, [shown for shown, _ in part]), strict=True):
            examples += run.fold(replace(shown, served=served))
            examples += run.fold(action)
    return arrays(examples, table)


def cached(path: Path, make: Callable[[], Examples]) -> Examples:
    """The examples kept at `path`; those that `make` gives are kept there first if there are none."""
    if not path.exists():
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **{field.name: getattr(made, field.name) for field in fields(Examples)})
        partial.rename(path)
    with np.load(path) as held:
        return Examples(**{field.name: held[field.name] for field in fields(Examples)})


def _served(run: HistoryFold, shown: Sequence[DecodedEvent]) -> Iterator[Served]:
    """Features of impressions that are shown together, all from the rows as they stand before the first."""
    now, table = shown[0].at, run.table
    by_user: dict[str, list[int]] = {}
    for index, event in enumerate(shown):
        by_user.setdefault(event.user_id, []).append(index)
    found: dict[int, Served] = {}
    for user_id, indices in by_user.items():
        row = run.user(user_id)
        made = assemble(row, table, table.rows([shown[index].item_id for index in indices]), now)
        ids, values = row.recent_ids[:HISTORY], made.history_values_NT1.ravel()
        for index, x_F in zip(indices, made.x_BF, strict=True):
            found[index] = Served(
                fingerprint=table.vocabulary.fingerprint,
                features=x_F,
                history_item_ids=ids,
                history_values=values,
            )
    yield from (found[index] for index in range(len(shown)))


def arrays(examples: Sequence[Example], table: ItemTable) -> Examples:
    """Examples in the order given, as arrays; text vectors come from the table."""
    tasks, size = len(table.vocabulary.tasks), len(examples)
    history = np.full((size, HISTORY), -1, dtype=np.int64)
    values = np.zeros((size, HISTORY, tasks + 1), dtype=np.float32)
    numbers: dict[str, int] = {}
    for index, example in enumerate(examples):
        count = len(example.history_item_ids)
        history[index, :count] = table.rows(example.history_item_ids)
        values[index, :count] = np.reshape(example.history_values, (count, tasks + 1))
    return Examples(
        x=np.array([example.features for example in examples], dtype=np.float32),
        users=np.array([numbers.setdefault(example.user_id, len(numbers)) for example in examples]),
        items=table.rows([example.item_id for example in examples]).astype(np.int64),
        history=history,
        history_values=values,
        labels=np.array([example.labels for example in examples], dtype=np.float32),
        at=np.array([example.shown_at for example in examples]),
        vectors=table.vectors[: len(table)].copy(),
    )
