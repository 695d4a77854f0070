"""Items that a user acted on before those that the row lists: one number each, enough to keep them out of lists.

A number holds a hash of the item's id (32 bits), the day on which it was acted on last (16 bits, since 1970), and which tasks'
events those were (16 bits; tasks past the fifteenth share the last). Two items have the same hash once in 4 thousand million.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["OLDER_ITEMS", "id_hash", "matching", "remember"]

OLDER_ITEMS = 1024
"""Items that are kept, eight bytes each; beyond them the one that was added first is forgotten."""

_DAY_SECONDS = 86_400.0
_TASK_BITS = 16
_DAY_BITS = 16


def id_hash(item_id: str) -> int:
    """An item's id as 32 bits."""
    return zlib.crc32(item_id.encode())


def remember(older_N: NDArray[np.uint64], item_id: str, at: float, labels: Sequence[float]) -> NDArray[np.uint64]:
    """The set with one more item, acted on at `at` (Unix seconds); what was known of the same item stays known.

    Args:
        labels: one for each task, NaN where its event did not happen.
    """
    name = id_hash(item_id)
    day = min(max(int(at // _DAY_SECONDS), 0), 2**_DAY_BITS - 1)
    tasks = 0
    for task, label in enumerate(labels):
        tasks |= _bit(task) if label == label else 0
    same_N = (older_N >> np.uint64(32)) == name
    for known in older_N[same_N].tolist():
        day, tasks = max(day, known >> _TASK_BITS & 0xFFFF), tasks | known & 0xFFFF
    entry = np.uint64(name << 32 | day << _TASK_BITS | tasks)
    return np.append(older_N[~same_N], entry)[-OLDER_ITEMS:]


def matching(older_N: NDArray[np.uint64], *, since: float, task: int | None = None) -> NDArray[np.uint32]:
    """Hashes of the items that were acted on at `since` (Unix seconds) or later, to the day; by `task`'s event, if given."""
    ended_N = ((older_N >> np.uint64(_TASK_BITS) & np.uint64(0xFFFF)).astype(np.float64) + 1.0) * _DAY_SECONDS
    wanted_N = ended_N > since
    if task is not None:
        wanted_N &= (older_N & np.uint64(_bit(task))) != 0
    return (older_N[wanted_N] >> np.uint64(32)).astype(np.uint32)


def _bit(task: int) -> int:
    return 1 << min(task, _TASK_BITS - 1)
