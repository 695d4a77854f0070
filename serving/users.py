"""Reading the asking user's row: fresh, within a time limit, and never failing the request."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from feature_repo.rows import UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import RowSchemaError, RowStore, StoreUnavailable
from feature_repo.vocabulary import Vocabulary
from serving.api.degradations import stale_features, store_unavailable, unknown_user
from serving.api.responses import Degradation

__all__ = ["UserFeatures", "UserReader"]

_log = structlog.get_logger(__name__)
_PATIENCE = 3  # reads in a row that fail before the store is left alone
_REST_SECONDS = 0.5
_HAND_OVER_SECONDS = 0.001  # what a busy loop loses by having a thread read: both wake up, and take turns with the interpreter
_PROOF_SECONDS = 0.01  # of that, which fast reads must have saved before the loop takes over: some twenty of them


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
    """Reads on the event loop while the store is near: where a read holds the loop up for less than handing it to a thread would.

    A store that is slow or hangs is read by a thread of its own, to hold up nothing else. A read on the loop that took too long
    is a debt, and so is any failure: the loop reads again once fast reads by the thread have made up for it. So all that slow
    reads cost the loop is what fast ones have saved it, and a hanging store holds it up once. Reads that queue behind a hanging
    one time out and are withdrawn, so the queue stays short.

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
        self._debt = _PROOF_SECONDS
        self._store_lock = threading.Lock()  # the store's connection is for one thread at a time
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="user-rows")

    @classmethod
    def of(cls, settings: StoreSettings, vocabulary: Vocabulary, *, timeout_seconds: float) -> "UserReader":
        """A reader of the store of these settings, in which no call to Redis takes longer than the reader would wait."""
        seconds = min(settings.redis_timeout_seconds, timeout_seconds)
        store = RowStore(settings.model_copy(update={"redis_timeout_seconds": seconds}), vocabulary)
        return cls(store, vocabulary, ttl_seconds=settings.user_ttl_seconds, timeout_seconds=timeout_seconds)

    @property
    def near(self) -> bool:
        """Whether the store is read on the event loop."""
        return self._debt == 0.0

    async def read(self, user_id: str, now: float, seconds: float) -> UserFeatures:
        """The user's row as it stands, waiting at most `seconds` or the reader's own limit."""
        if self._clock() < self._rests_until:
            return self._empty(user_id, store_unavailable(self._failure))
        limit = min(self._timeout, seconds)
        try:
            row = await self._row(user_id, limit)
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

    async def _row(self, user_id: str, limit: float) -> UserRow | None:
        """Of the store; raises as it does, and TimeoutError."""
        if self.near and limit >= self._timeout and self._store_lock.acquire(blocking=False):
            try:
                row, took = self._timed(user_id)
            finally:
                self._store_lock.release()
            self._debt = max(0.0, took - _HAND_OVER_SECONDS)
            return row
        reading = asyncio.get_running_loop().run_in_executor(self._thread, self._read_alone, user_id)
        async with asyncio.timeout(limit):
            row, took = await reading
        # No debt for a slow one: here it may have waited for the interpreter, which is no fault of the store.
        self._debt = max(0.0, self._debt - max(0.0, _HAND_OVER_SECONDS - took))
        return row

    def _read_alone(self, user_id: str) -> tuple[UserRow | None, float]:
        with self._store_lock:
            return self._timed(user_id)

    def _timed(self, user_id: str) -> tuple[UserRow | None, float]:
        began = time.perf_counter()
        row = self._store.read_user(user_id, -math.inf)  # any time: a row past its time to live can then be told from none
        return row, time.perf_counter() - began

    def _failed(self, user_id: str, detail: str) -> UserFeatures:
        self._failures, self._failure = self._failures + 1, detail
        self._debt = max(self._debt, self._timeout)  # the next one may take all of it
        if self._failures >= _PATIENCE:
            self._rests_until = self._clock() + _REST_SECONDS
        _log.warning("user_row_not_read", detail=detail, failures_in_a_row=self._failures)
        return self._empty(user_id, store_unavailable(detail))

    def _empty(self, user_id: str, degradation: Degradation) -> UserFeatures:
        return UserFeatures(row=UserRow.empty(user_id, self._vocabulary), degradation=degradation)
