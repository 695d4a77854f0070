"""Owns reading the asking user's row: fresh, off the event loop, within a time limit, and never failing the request."""

import asyncio
import math
import time
from collections.abc import Callable
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
_PATIENCE = 3  # reads in a row that fail before the store is left alone
_REST_SECONDS = 0.5


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

    After three failures in a row the store is left alone for half a second, in which answers go without the row at once: a
    store that is down costs a few requests its timeout, not every request.
    """

    def __init__(
        self,
        store: RowStore,
        vocabulary: Vocabulary,
        *,
        ttl_seconds: float,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._vocabulary = vocabulary
        self._ttl = ttl_seconds
        self._timeout = timeout_seconds
        self._clock = clock
        self._failures, self._failure = 0, ""
        self._rests_until = -math.inf
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="user-rows")

    async def read(self, user_id: str, now: float, seconds: float) -> UserFeatures:
        """The user's row as it stands, waiting at most `seconds` or the reader's own limit."""
        if self._clock() < self._rests_until:
            return self._empty(user_id, store_unavailable(self._failure))
        loop, limit = asyncio.get_running_loop(), min(self._timeout, seconds)
        try:
            # Without a time, so that a row past its time to live can be told from none.
            reading = loop.run_in_executor(self._thread, self._store.read_user, user_id, -math.inf)
            async with asyncio.timeout(limit):
                row = await reading
        except RowSchemaError as error:
            _log.warning("user_row_not_read", detail=str(error))
            return self._empty(user_id, store_unavailable(str(error)))
        except StoreUnavailable as error:
            return self._failed(user_id, str(error))
        except TimeoutError:
            return self._failed(user_id, f"the online store did not answer within {limit:.3f} s; check its load")
        self._failures = 0
        if row is None:
            return self._empty(user_id, unknown_user())
        if now - row.updated_at > self._ttl:
            return self._empty(user_id, stale_features(now - row.updated_at, self._ttl))
        return UserFeatures(row=row)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _failed(self, user_id: str, detail: str) -> UserFeatures:
        self._failures, self._failure = self._failures + 1, detail
        if self._failures >= _PATIENCE:
            self._rests_until = self._clock() + _REST_SECONDS
        _log.warning("user_row_not_read", detail=detail, failures_in_a_row=self._failures)
        return self._empty(user_id, store_unavailable(detail))

    def _empty(self, user_id: str, degradation: Degradation) -> UserFeatures:
        return UserFeatures(row=UserRow.empty(user_id, self._vocabulary), degradation=degradation)
