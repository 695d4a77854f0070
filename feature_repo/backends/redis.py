"""Feast's Redis store with a fast batch write, one attempt a call, and writes that are conditional on a fence."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from feast import FeatureView, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import _mmh3
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from redis.backoff import NoBackoff
from redis.exceptions import WatchError
from redis.retry import Retry

from feature_repo.backends.fencing import Claim, Span, Watermark, refusal

__all__ = ["RedisRows"]

_CLAIM = """
-- KEYS: the fence. Sets an epoch above every earlier one, also after a restore from an older copy; returns what the fence held.
local held = redis.call('HMGET', KEYS[1], 'epoch', 'log', 'end', 'state')
local now = redis.call('TIME')
local epoch = string.format('%.0f', math.max((tonumber(held[1]) or 0) + 1, now[1] * 1000000 + now[2]))
redis.call('HSET', KEYS[1], 'epoch', epoch)
return {epoch, held[2], held[3], held[4]}
"""


class RedisRows(RedisOnlineStore):
    """Feast's store, in which a batch of rows is one round trip and a call is one attempt.

    What is written is the same to the byte. Hashes of names and the time are made once a batch; Feast makes them for each
    row. Timestamps are not compared, as with its `skip_dedup`: fences order the writes.
    """

    def _get_client(self, online_store_config: Any) -> Any:
        """Redis without redis-py's own retries, which stretch a 0.5 s timeout to 10 s: the caller decides when to try again.

        A connection that broke while nobody used it is replaced even so.
        """
        made = self._client is None
        client = super()._get_client(online_store_config)
        if made:
            client.set_retry(Retry(NoBackoff(), 0))
        return client

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: Sequence[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Writes each row by one command, so that it is there as a whole or not at all."""
        with self._get_client(config.online_store).pipeline(transaction=False) as pipe:
            for key, fields in _commands(config, table, data):
                pipe.execute_command("HSET", key, *fields)
            written = pipe.execute()
        if progress:
            progress(len(written))

    def claim(self, config: RepoConfig, group: str, partitions: Iterable[int]) -> dict[int, Claim]:
        """Gives each partition a new epoch; from then on writes under earlier ones are refused."""
        claim = self._get_client(config.online_store).register_script(_CLAIM)
        claims = {}
        for partition in partitions:
            epoch, *held = claim(keys=[_fence(config, group, partition)])
            claims[partition] = Claim(epoch=int(epoch), watermark=_watermark(*held))
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
        fences = {partition: _fence(config, group, partition) for partition in spans}
        # WATCH and MULTI, not one Lua call: a script copies all values into Lua first, which took 1.3 times as long.
        with self._get_client(config.online_store).pipeline(transaction=True) as pipe:
            while True:
                pipe.watch(*fences.values())
                for partition, span in spans.items():
                    epoch, *stored = pipe.hmget(fences[partition], "epoch", "log", "end", "state")
                    held = _watermark(*stored)
                    if int(epoch or 0) != span.epoch or held not in (span.before, span.after):  # `after`: a retry
                        raise refusal(group, partition, span, epoch=int(epoch or 0), held=held)
                pipe.multi()
                for key, fields in _commands(config, table, data):
                    pipe.execute_command("HSET", key, *fields)
                for partition, span in spans.items():
                    if span.after is not None:
                        after = span.after
                        pipe.hset(fences[partition], mapping={"log": after.log, "end": after.end, "state": after.state})
                try:
                    pipe.execute()
                except WatchError:  # a fence changed in between: look again
                    continue
                return


def _commands(
    config: RepoConfig, table: FeatureView, data: Sequence[tuple[EntityKey, dict[str, Value], datetime, datetime | None]]
) -> Iterable[tuple[bytes, list[str | bytes]]]:
    """Key and fields of each row, as Feast lays them out."""
    project, stamp_name, stamps = config.project.encode(), f"_ts:{table.name}", dict[datetime, bytes]()
    for entity_key, values, at, _ in data:
        if (stamp := stamps.get(at)) is None:
            stamp = stamps[at] = _stamp(at)
        fields: list[str | bytes] = [stamp_name, stamp]
        for name, value in values.items():
            fields += (_field(table.name, name), value.SerializeToString())
        yield serialize_entity_key(entity_key, config.entity_key_serialization_version) + project, fields


def _fence(config: RepoConfig, group: str, partition: int) -> bytes:
    return f"{config.project}:fence:{group}:{partition}".encode()


def _watermark(log: bytes | None, end: bytes | None, state: bytes | None) -> Watermark | None:
    return Watermark(log=int(log), end=int(end), state=state or b"") if log and end else None


@lru_cache
def _field(view: str, feature: str) -> bytes:
    return bytes(_mmh3(f"{view}:{feature}"))


def _stamp(at: datetime) -> bytes:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp.SerializeToString()
