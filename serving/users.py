"""Owns reading the asking user's row: fresh, off the event loop, within a time limit, and never failing the request."""

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from feature_repo.rows import UserRow
from feature_repo.store import RowSchemaError, RowStore, StoreUnavailable
from feature_repo.vocabulary import Vocabulary
from serving.answers import Degradation
from serving.degradations import stale_features, store_unavailable, unknown_user

__all__ = ["UserFeatures", "UserReader"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class UserFeatures:
    """The row to score with (an empty one where there is none), and why it is not a known user's fresh one."""

    row: UserRow
    degradation: Degradation | None = None

    @property
    def as_of(self) -> float | None:
        """Event time of the newest event in the row, Unix seconds; None for an empty row."""
        return self.row.updated_at or None


class UserReader:
    """Reads rows on one thread of its own: the store's connection is one thread's, and a store that hangs must not hold up
    scoring. Reads that queue behind a hanging one time out and are withdrawn, so the queue stays short.
    """

    def __init__(self, store: RowStore, vocabulary: Vocabulary, *, ttl_seconds: float, timeout_seconds: float) -> None:
        self._store = store
        self._vocabulary = vocabulary
        self._ttl = ttl_seconds
        self._timeout = timeout_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="user-rows")

    async def read(self, user_id: str, now: float, seconds: float) -> UserFeatures:
        """The user's row as it stands, waiting at most `seconds` or the reader's own limit."""
        loop, limit = asyncio.get_running_loop(), min(self._timeout, seconds)
        try:
            # Without a time, so that a row past its time to live can be told from none.
            reading = loop.run_in_executor(self._thread, self._store.read_user, user_id, -math.inf)
            row = await asyncio.wait_for(reading, limit)
        except (StoreUnavailable, RowSchemaError) as error:
            return self._without(user_id, str(error))
        except TimeoutError:
            return self._without(user_id, f"the online store did not answer within {limit:.3f} s; check its load")
        if row is None:
            return self._empty(user_id, unknown_user())
        if now - row.updated_at > self._ttl:
            return self._empty(user_id, stale_features(now - row.updated_at, self._ttl))
        return UserFeatures(row=row)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _without(self, user_id: str, detail: str) -> UserFeatures:
        _log.warning("user_row_not_read", detail=detail)
        return self._empty(user_id, store_unavailable(detail))

    def _empty(self, user_id: str, degradation: Degradation) -> UserFeatures:
        return UserFeatures(row=UserRow.empty(user_id, self._vocabulary), degradation=degradation)
