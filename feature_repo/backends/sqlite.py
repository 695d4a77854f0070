"""Feast's SQLite store with writes that are conditional on a fence."""

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.sqlite import SqliteOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from feature_repo.backends.fencing import Claim, Span, Watermark, refusal

__all__ = ["SqliteRows"]

_TABLE = """
CREATE TABLE IF NOT EXISTS headwater_fences (
    consumer_group TEXT, partition INTEGER, epoch INTEGER NOT NULL, log INTEGER, stop INTEGER,
    PRIMARY KEY (consumer_group, partition)
)
"""
_STATES = """
CREATE TABLE IF NOT EXISTS headwater_fence_states (
    consumer_group TEXT, partition INTEGER, state BLOB NOT NULL, PRIMARY KEY (consumer_group, partition)
)
"""


class SqliteRows(SqliteOnlineStore):
    """Feast's store, in which rows and their fences change in one transaction."""

    def claim(self, config: RepoConfig, group: str, partitions: Iterable[int]) -> dict[int, Claim]:
        """Gives each partition a new epoch; from then on writes under earlier ones are refused."""
        claims = {}
        connection = self._begin(config)
        with connection:
            for partition in partitions:
                held, watermark = _held(connection, group, partition)
                epoch = max(held + 1, time.time_ns() // 1000)  # also above those of a copy that was restored
                connection.execute(
                    "INSERT INTO headwater_fences (consumer_group, partition, epoch) VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET epoch = excluded.epoch",
                    (group, partition, epoch),
                )
                claims[partition] = Claim(epoch=epoch, watermark=watermark)
        return claims

    def write_fenced(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: Sequence[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        group: str,
        spans: Mapping[int, Span],
    ) -> None:
        """Writes the rows and moves the watermarks, all or nothing.

        Raises:
            Fenced, StoreWentBack: a fence does not hold what its span expects; nothing was written.
        """
        connection = self._begin(config)
        with connection:  # rolls back on any error
            for partition, span in spans.items():
                epoch, watermark = _held(connection, group, partition)
                if epoch != span.epoch or watermark not in (span.before, span.after):  # `after`: a retry
                    raise refusal(group, partition, span, epoch=epoch, held=watermark)
                connection.execute(
                    "UPDATE headwater_fences SET log = ?, stop = ? WHERE consumer_group = ? AND partition = ?",
                    (*_stored(span.after), group, partition),
                )
                if span.after is not None and span.after.state:
                    connection.execute(
                        "INSERT OR REPLACE INTO headwater_fence_states VALUES (?, ?, ?)", (group, partition, span.after.state)
                    )
            self.online_write_batch(config, table, list(data), None)  # commits what was begun here

    def _begin(self, config: RepoConfig) -> sqlite3.Connection:
        """A connection inside a transaction that nobody else can write in."""
        connection: sqlite3.Connection = self._get_conn(config)
        connection.execute(_TABLE)
        connection.execute(_STATES)
        connection.execute("BEGIN IMMEDIATE")
        return connection


def _stored(watermark: Watermark | None) -> tuple[int | None, int | None]:
    return (None, None) if watermark is None else (watermark.log, watermark.end)


def _held(connection: sqlite3.Connection, group: str, partition: int) -> tuple[int, Watermark | None]:
    found = connection.execute(
        "SELECT epoch, log, stop, coalesce(state, x'') FROM headwater_fences LEFT JOIN headwater_fence_states "
        "USING (consumer_group, partition) WHERE consumer_group = ? AND partition = ?",
        (group, partition),
    ).fetchone()
    if found is None:
        return 0, None
    epoch, log, stop, state = found
    return epoch, None if log is None else Watermark(log=log, end=stop, state=state)
