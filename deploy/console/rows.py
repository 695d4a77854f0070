"""Reading a user's stored features for the page, with the titles of the items in them."""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from feature_repo.counters import HALF_LIFE_NAMES, decay
from feature_repo.rows import UserRow
from feature_repo.store import RowStore
from feature_repo.vocabulary import Vocabulary

__all__ = ["Rows"]


class Rows:
    """Reads on one thread of its own, off the event loop: the store's connection is one thread's."""

    def __init__(self, make_store: Callable[[], RowStore], vocabulary: Vocabulary) -> None:
        self._make_store, self._vocabulary = make_store, vocabulary
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rows")
        self._store: RowStore | None = None

    async def newest_event(self, user_id: str) -> float:
        """Event time of the newest event in the user's row, Unix seconds; minus infinity for a user without one."""
        row, _ = await self._read(user_id, titles=False)
        return -math.inf if row is None else row.updated_at

    async def shown(self, user_id: str) -> dict[str, Any] | None:
        """All that the page shows of a user's row, counters aged to now; None for a user without one, or who was forgotten."""
        row, titles = await self._read(user_id, titles=True)
        if row is None or not row.updated_at:
            return None
        now = time.time()
        counters_CH = row.counters_CH * decay(now - row.updated_at)
        recent = zip(row.recent_ids, row.recent_R.tolist(), strict=True)
        return {
            "first_at": row.first_at,
            "updated_at": row.updated_at,
            "age_seconds": now - row.updated_at,
            "half_lives": HALF_LIFE_NAMES,
            "counters": [
                {"name": name, "values": values}
                for name, values in zip(self._vocabulary.counters, counters_CH.tolist(), strict=True)
            ],
            "recent": [
                {"item_id": item_id, "title": titles.get(item_id, ""), "at": at, "labels": self._labels(labels)}
                for item_id, (at, *labels) in recent
            ],
        }

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _read(self, user_id: str, *, titles: bool) -> tuple[UserRow | None, dict[str, str]]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read_now, user_id, titles)

    def _read_now(self, user_id: str, titles: bool) -> tuple[UserRow | None, dict[str, str]]:
        if self._store is None:  # here, since SQLite ties a connection to the thread that opens it
            self._store = self._make_store()
        row = self._store.read_user(user_id, -math.inf)
        return row, self._store.read_titles(row.recent_ids) if titles and row is not None else {}

    def _labels(self, labels: list[float]) -> dict[str, float]:
        tasks = zip(self._vocabulary.tasks, labels, strict=True)
        return {task.name: task.displayed(label) for task, label in tasks if label == label}
