"""Index of a large catalogue: nearest neighbours by text, trending and new items."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from usearch.index import Index

from feature_repo.counters import ALL, DAY, MONTH, decay
from feature_repo.items.table import ItemTable
from runtime.supervisor import StartThread, start_thread

__all__ = ["EXACT", "CatalogueIndex", "newest", "trending"]

_ACTIONS = 1  # second of a row's counters, see Vocabulary.counters


def trending(table: ItemTable, rows_M: NDArray[np.intp], now: float) -> NDArray[np.float64]:
    """Actions a day by the day's counter, then the month's, then all: the slower ones decide where the faster are silent."""
    # Without the lock, which a million rows would hold for long: a trend may miss a moment.
    actions_MH = table.counters[rows_M, _ACTIONS] * decay(now - table.updated_at[rows_M])
    trend_M: NDArray[np.float64] = actions_MH[:, DAY] + actions_MH[:, MONTH] / 30.0 + actions_MH[:, ALL] / 3650.0
    return trend_M


def newest(table: ItemTable, rows_M: NDArray[np.intp], now: float) -> NDArray[np.float64]:
    """Time of publication; what has none, or is to come, goes last."""
    published_M = table.published_at[rows_M]
    return np.where((published_M != 0.0) & (published_M <= now), published_M, -np.inf)


EXACT = 10_000  # both took as long at 3,000 items, and looking up was the sooner at 10,000: benchmarks/serving/catalogue.py

_PENDING = 4096  # of the items that wait to be indexed, how many are compared one by one
_AT_ONCE = 16  # added under the lock, which a search may have to wait for
_STANDING = 20_000  # places of the lists of what trends and of what is new
_REFRESH_SECONDS = 1.0
_IDLE_SECONDS = 0.05


class CatalogueIndex:
    """Follows a table on a thread of its own, once it has more than `exact` items.

    Neighbours come from a hierarchical graph (HNSW; Malkov and Yashunin, TPAMI 2020) by `usearch`, which keeps a byte for each
    dimension; which of them are nearest is told by the vectors themselves. An item that waits to be indexed is found all the
    same, as long as no more than 4,096 do.
    """

    def __init__(self, table: ItemTable, *, clock: Callable[[], float], exact: int = EXACT) -> None:
        self.exact = exact
        self._table = table
        self._clock = clock
        # Bytes, and half the usual search at adding: 2.5 times as many items a second, and the same neighbours of clustered ones.
        self._index = Index(ndim=table.dimensions, metric="cos", dtype="i8", expansion_add=64)
        self._lock = threading.Lock()
        # One of its own: whoever tells of a change must not wait for the graph to take in others.
        self._waiting_lock = threading.Lock()
        self._waiting = OrderedDict.fromkeys(range(len(table)))  # a set that keeps the order of arrival
        self._standing: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        table.followers.append(self._changed)

    def start(self, thread: StartThread = start_thread) -> None:
        self._thread = thread("catalogue-index", self._run)

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def waiting(self) -> int:
        """Items that have changed and are not indexed yet."""
        return len(self._waiting)

    def nearest(self, queries_QD: NDArray[np.float32], count: int) -> NDArray[np.intp]:
        """Rows of at most `count` items near to one of the queries, the nearest first; deleted ones may be among them."""
        per_query = max(2 * count // len(queries_QD), 16)
        with self._lock:
            with self._waiting_lock:
                waiting = list(islice(reversed(self._waiting), _PENDING))
            found = [self._index.search(query_D, per_query, threads=1).keys for query_D in queries_QD] if len(self._index) else []
        rows = np.unique(np.concatenate((np.array(waiting, dtype=np.intp), *found)).astype(np.intp))
        near = (self._table.vectors[rows] @ queries_QD.T).max(axis=1)
        best_first: NDArray[np.intp] = rows[np.argsort(-near, kind="stable")]
        return best_first[:count]

    def standing(self) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """Rows of what trends and of what is new, the best first, as of a moment ago; None while there are none yet."""
        return self._standing

    def _changed(self, row: int) -> None:
        with self._waiting_lock:
            self._waiting[row] = None

    def _run(self) -> None:
        refreshed_at = -np.inf
        while not self._stop.is_set():
            if len(self._table) <= self.exact:
                self._stop.wait(_REFRESH_SECONDS)
                continue
            now = self._clock()
            if now - refreshed_at >= _REFRESH_SECONDS:
                refreshed_at = now
                self._refresh(now)
            if not self._index_some():
                self._stop.wait(_IDLE_SECONDS)

    def _refresh(self, now: float) -> None:
        rows_M = np.flatnonzero(self._table.live[: len(self._table)])
        trend_M, published_M = trending(self._table, rows_M, now), newest(self._table, rows_M, now)
        self._standing = _best(rows_M, trend_M), _best(rows_M, published_M)

    def _index_some(self) -> bool:
        """Takes over some of what has changed, the oldest change first; False where there is nothing."""
        with self._lock:
            # Taken out before they are read: a change from now on puts them back.
            with self._waiting_lock:
                rows = [self._waiting.popitem(last=False)[0] for _ in range(min(_AT_ONCE, len(self._waiting)))]
            if known := [row for row in rows if row in self._index]:
                self._index.remove(np.array(known, dtype=np.uint64))
            content, vectors = self._table.content, self._table.vectors
            if keys := [row for row in rows if content[row] is not None and vectors[row].any()]:
                self._index.add(np.array(keys, dtype=np.uint64), vectors[keys], threads=1)
        return bool(rows)


def _best(rows_M: NDArray[np.intp], values_M: NDArray[np.float64]) -> NDArray[np.intp]:
    if len(rows_M) > _STANDING:
        part = np.argpartition(-values_M, _STANDING)[:_STANDING]
        rows_M, values_M = rows_M[part], values_M[part]
    best_first: NDArray[np.intp] = rows_M[np.argsort(-values_M, kind="stable")]
    return best_first
