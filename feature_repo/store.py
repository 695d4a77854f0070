"""Rows in Feast's online store (SQLite or Redis); calls block, so event loops hand them to an executor.

Rows go through the store's own `online_read` and `online_write_batch`, which take and give protobuf values: the paths over
data frames and over `get_online_features` spend most of their time on conversion.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import unquote

import prometheus_client  # noqa: F401  before feast, which turns its metrics into multiprocess files if it comes first
from feast import FeatureStore, FeatureView, RepoConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from feature_repo.backends.fencing import Claim, Span
from feature_repo.backends.sqlite import SqliteRows
from feature_repo.codec import RowSchemaError, decode_item, decode_user, encode_content, encode_item, encode_user
from feature_repo.definitions import ITEM_ACTIVITY, ITEM_CONTENT, OBJECTS, USER_ACTIVITY
from feature_repo.rows import ItemRow, UserRow
from feature_repo.settings import StoreSettings
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import ItemContent
from runtime.errors import UserError

__all__ = ["Fencing", "RowSchemaError", "RowStore", "StoreUnavailable", "apply", "repo_config"]

_BATCH = 500  # rows a call: SQLite takes at most 999 keys in one query on old builds


class StoreUnavailable(UserError, ConnectionError):
    """The online store did not answer; the message says which one and how to check it."""


def repo_config(settings: StoreSettings) -> RepoConfig:
    """Feast's configuration for these settings."""
    directory = settings.directory.absolute()
    online: dict[str, Any] = {"type": "sqlite", "path": str(directory / "online.db")}
    if settings.kind == "redis":
        # One worker owns a key and its rows carry their own positions, so Feast's check-then-set of timestamps adds a round
        # trip and, after a clock steps back, would drop writes silently.
        online = {"type": "redis", "connection_string": _redis_address(settings), "skip_dedup": True}
    return RepoConfig(
        project="headwater",
        provider="local",
        registry=str(directory / "registry.db"),
        online_store=online,
        offline_store={"type": "file"},
        entity_key_serialization_version=3,
    )


def apply(settings: StoreSettings) -> None:
    """Registers the views and creates their tables; does nothing where they stand already."""
    settings.directory.mkdir(parents=True, exist_ok=True)
    if settings.kind == "sqlite":
        # Readers and the writer stop waiting for each other; the mode stays with the file.
        with sqlite3.connect(settings.directory / "online.db") as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
    FeatureStore(config=repo_config(settings)).apply(list(OBJECTS))


@dataclass(frozen=True, kw_only=True, slots=True)
class Fencing:
    """The conditions of one batch's write: the consumer group, and what becomes of the fence of each of its partitions."""

    group: str
    spans: Mapping[int, Span]


class _FencedStore(Protocol):
    """What rows need of a store: Feast's own calls, and writes under a fence."""

    def online_read(
        self, config: RepoConfig, table: FeatureView, entity_keys: list[EntityKey], requested_features: list[str] | None
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]: ...

    def online_write_batch(self, config: RepoConfig, table: FeatureView, data: Any, progress: None) -> None: ...

    def claim(self, config: RepoConfig, group: str, partitions: Iterable[int]) -> dict[int, Claim]: ...

    def write_fenced(self, config: RepoConfig, table: FeatureView, data: Any, group: str, spans: Mapping[int, Span]) -> None: ...


class RowStore:
    """Rows by id. Not for use from several threads at once: SQLite's connection is one."""

    def __init__(self, settings: StoreSettings, vocabulary: Vocabulary) -> None:
        self._settings = settings
        self._vocabulary = vocabulary
        self._config = repo_config(settings)
        self._online = _online_store(self._config)

    def read_users(self, user_ids: Sequence[str]) -> dict[str, UserRow]:
        """Whole rows of the users that have one.

        Raises:
            StoreUnavailable: the store did not answer.
            RowSchemaError: a row was written for other tasks.
        """
        found = self._read(USER_ACTIVITY, "user_id", user_ids)
        return {user_id: decode_user(user_id, values, self._vocabulary) for user_id, values in found.items()}

    def read_user(self, user_id: str, now: float) -> UserRow | None:
        """A user's row for serving, without what awaits labels; None if unknown, erased or past its time to live at `now`.

        Raises as `read_users` does.
        """
        values = self._read(USER_ACTIVITY, "user_id", (user_id,), _SERVED).get(user_id)
        if values is None:
            return None
        row = decode_user(user_id, values, self._vocabulary, whole=False)
        return row if row.updated_at and now - row.updated_at <= self._settings.user_ttl_seconds else None

    def claim(self, group: str, partitions: Iterable[int]) -> dict[int, Claim]:
        """Makes this process the owner of a consumer group's partitions: whoever held one before can no longer write its rows.

        Raises StoreUnavailable.
        """
        try:
            return self._online.claim(self._config, group, sorted(partitions))
        except _store_errors() as error:
            raise self._unavailable("written", error) from error

    def write_users(self, rows: Sequence[UserRow], fencing: "Fencing | None" = None) -> None:
        """Writes each row, its position with it, in one atomic write a row.

        Raises:
            StoreUnavailable: the store did not answer; the same call may be made again.
            Fenced, StoreWentBack: `fencing` does not hold.
        """
        self._write(USER_ACTIVITY, "user_id", [(row.user_id, encode_user(row, self._vocabulary)) for row in rows], fencing)

    def read_items(self, item_ids: Sequence[str]) -> dict[str, ItemRow]:
        """Activity rows of the items that have one; raises as `read_users` does."""
        found = self._read(ITEM_ACTIVITY, "item_id", item_ids)
        return {item_id: decode_item(item_id, values, self._vocabulary) for item_id, values in found.items()}

    def write_items(self, rows: Sequence[ItemRow], fencing: "Fencing | None" = None) -> None:
        """Writes each activity row in one atomic write a row; raises as `write_users` does."""
        self._write(ITEM_ACTIVITY, "item_id", [(row.item_id, encode_item(row, self._vocabulary)) for row in rows], fencing)

    def read_titles(self, item_ids: Sequence[str]) -> dict[str, str]:
        """Titles of the items that the catalogue has, for people to read; raises StoreUnavailable."""
        found = self._read(ITEM_CONTENT, "item_id", item_ids, ["title"])
        return {item_id: values["title"].string_val for item_id, values in found.items()}

    def write_contents(self, contents: Sequence[ItemContent], fencing: "Fencing | None" = None) -> None:
        """Writes catalogue entries with their vectors; raises as `write_users` does."""
        self._write(ITEM_CONTENT, "item_id", [(content.item.item_id, encode_content(content)) for content in contents], fencing)

    def delete_items(self, item_ids: Sequence[str], fencing: "Fencing | None" = None) -> None:
        """Empties the content rows of deleted items: to Feast, all of their features are null, as of an item never heard of.

        Feast's stores have no call that deletes one row. Raises as `write_users` does.
        """
        nothing = {field.name: Value() for field in ITEM_CONTENT.features}
        self._write(ITEM_CONTENT, "item_id", [(item_id, nothing) for item_id in item_ids], fencing)

    def _read(
        self, view: FeatureView, join_key: str, ids: Sequence[str], features: Sequence[str] = ()
    ) -> dict[str, dict[str, Value]]:
        found: dict[str, dict[str, Value]] = {}
        for start in range(0, len(ids), _BATCH):
            part = ids[start : start + _BATCH]
            keys = [_entity_key(join_key, entity_id) for entity_id in part]
            try:
                # A list of its own for each call: Feast's Redis store appends to the one that it is given.
                rows = self._online.online_read(self._config, view, keys, list(features) or None)
            except _store_errors() as error:
                raise self._unavailable("read", error) from error
            found |= {entity_id: values for entity_id, (_, values) in zip(part, rows, strict=True) if values and _stands(values)}
        return found

    def _write(
        self,
        view: FeatureView,
        join_key: str,
        rows: Sequence[tuple[str, dict[str, Value]]],
        fencing: "Fencing | None" = None,
    ) -> None:
        now = datetime.now(UTC)
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]] = [
            (_entity_key(join_key, entity_id), values, now, now) for entity_id, values in rows
        ]
        parts = [data[start : start + _BATCH] for start in range(0, len(data), _BATCH)]
        if fencing is not None and not parts:
            parts = [[]]  # records without rows move the watermark, too
        for number, part in enumerate(parts, start=1):
            try:
                if fencing is None:
                    self._online.online_write_batch(self._config, view, part, None)
                else:
                    spans = fencing.spans if number == len(parts) else {at: one.held_back for at, one in fencing.spans.items()}
                    self._online.write_fenced(self._config, view, part, fencing.group, spans)
            except _store_errors() as error:
                raise self._unavailable("written", error) from error

    def _unavailable(self, what: str, error: Exception) -> StoreUnavailable:
        where = self._settings.redis_url.host if self._settings.kind == "redis" else self._settings.directory
        return StoreUnavailable(
            f"the {self._settings.kind} online store at {where} could not be {what}: {error}. "
            "Check that it runs, has space, and that HEADWATER_STORE_* point to it; `headwater up` prepares it"
        )


_SERVED = tuple(field.name for field in USER_ACTIVITY.schema if field.name != "awaiting")


def _online_store(config: RepoConfig) -> _FencedStore:
    if config.online_store.type == "redis":
        from feature_repo.backends.redis import RedisRows  # only where the redis extra is installed

        return RedisRows()
    return SqliteRows()


def _entity_key(join_key: str, entity_id: str) -> EntityKey:
    return EntityKey(join_keys=[join_key], entity_values=[Value(string_val=entity_id)])


def _stands(values: dict[str, Value]) -> bool:
    """Whether there is a row: Redis answers for an absent one with values that hold nothing."""
    return any(value.WhichOneof("val") for value in values.values())


def _store_errors() -> tuple[type[Exception], ...]:
    try:
        from redis.exceptions import RedisError  # only where the redis extra is installed
    except ImportError:
        return (sqlite3.Error, OSError)
    return (sqlite3.Error, RedisError, OSError)


def _redis_address(settings: StoreSettings) -> str:
    """Feast's own form of a Redis address: host:port, then options by comma."""
    url = settings.redis_url
    seconds = settings.redis_timeout_seconds
    options = [f"db={(url.path or '/0').lstrip('/') or 0}", f"socket_timeout={seconds}", f"socket_connect_timeout={seconds}"]
    options += [f"{name}={_quoted(text)}" for name, text in (("username", url.username), ("password", url.password)) if text]
    if url.scheme == "rediss":
        options.append("ssl=true")
    return ",".join((f"{url.host}:{url.port}", *options))


def _quoted(text: str) -> str:
    """Text of a URL as Feast reads it: as JSON where it can, which would make numbers of digits, and no comma in it."""
    return json.dumps(unquote(text)).replace(",", r"\u002c")
