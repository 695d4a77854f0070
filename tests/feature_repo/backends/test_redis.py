"""Rows in Redis: to Feast they are its own, and a Redis that does not answer is not waited for."""

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from feature_repo.backends.redis import RedisRows
from feature_repo.codec import encode_item, encode_user
from feature_repo.definitions import ITEM_ACTIVITY, USER_ACTIVITY
from feature_repo.rows import ItemRow, UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, StoreUnavailable, apply, repo_config
from tests.certificates import Authority
from tests.feature_repo.worlds import VOCABULARY, event, fold_all
from tests.redis import redis_process, running_redis


def test_what_is_written_is_what_feast_writes_to_the_byte(tmp_path: Path) -> None:
    """Keys, names, values and times; so its own readers find them."""
    row, _, _ = fold_all([(0, event("impression")), (1, event("click", at=1001.0))])
    item = ItemRow.empty("i0", VOCABULARY)
    item.updated_at, item.offsets = 5.0, {1: 2}
    now = datetime.now(UTC)
    batches = [
        (USER_ACTIVITY, "user_id", {"u0": encode_user(row, VOCABULARY), "ü1": encode_user(row, VOCABULARY)}),
        (ITEM_ACTIVITY, "item_id", {"i0": encode_item(item, VOCABULARY)}),
    ]
    with running_redis(tmp_path) as settings:
        apply(settings)
        config = repo_config(settings)
        assert settings.redis_url.host is not None
        client: Any = redis.Redis(settings.redis_url.host, settings.redis_url.port or 6379)
        found, sizes = [], list[int]()
        for store in (RedisOnlineStore(), RedisRows()):
            client.flushdb()
            for view, join_key, rows in batches:
                keys = {one: EntityKey(join_keys=[join_key], entity_values=[Value(string_val=one)]) for one in rows}
                store.online_write_batch(
                    config, view, [(keys[one], values, now, now) for one, values in rows.items()], sizes.append
                )
            found.append({key: client.hgetall(key) for key in client.scan_iter()})
        client.close()
    assert len(found[0]) == 3
    assert found[1] == found[0]
    assert sizes == [2, 1, 2, 1]


def test_a_redis_that_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    """By default redis-py would ask four times four times, with pauses: half a second's timeout would take half a minute."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"redis://127.0.0.1:{mute.getsockname()[1]}/0"
        settings = StoreSettings.model_validate(
            {"kind": "redis", "directory": tmp_path, "redis_url": url, "redis_timeout_seconds": 0.1}
        )
        with pytest.raises(StoreUnavailable, match="Timeout"):
            RowStore(settings, VOCABULARY).read_users(["u0"])
        mute.setblocking(False)
        mute.accept()[0].close()
        with pytest.raises(BlockingIOError):
            mute.accept()


@pytest.mark.parametrize("password", ["0123", "1e5", "true", 'päss,w=rd:"@/%'])
def test_any_password_can_stand_in_the_url(password: str, tmp_path: Path) -> None:
    """Also one of digits, a word of JSON, and characters that a URL must quote or that part Feast's options."""
    with redis_process() as (_, url):
        client: Any = redis.Redis.from_url(str(url))
        client.acl_setuser("head,water", enabled=True, passwords=[f"+{password}"], categories=["+@all"], keys=["*"])
        client.config_set("requirepass", "of nobody here")
        named = f"redis://{quote('head,water')}:{quote(password, safe='')}@127.0.0.1:{url.port}/0"
        settings = StoreSettings.model_validate({"kind": "redis", "directory": tmp_path, "redis_url": named})
        store = RowStore(settings, VOCABULARY)
        store.write_users([UserRow.empty("ann", VOCABULARY)])
        assert set(store.read_users(["ann"])) == {"ann"}
        client.close()


def test_a_redis_over_tls_is_trusted_by_its_authority_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority that the system does not know is named by SSL_CERT_FILE; without that the error says what is wrong."""
    authority = Authority(tmp_path)
    with redis_process(tls=authority.sign("redis")) as (_, url):
        settings = StoreSettings(kind="redis", directory=tmp_path, redis_url=url)
        with pytest.raises(StoreUnavailable, match="certificate verify failed"):
            RowStore(settings, VOCABULARY).read_users(["ann"])
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        store = RowStore(settings, VOCABULARY)
        store.write_users([UserRow.empty("ann", VOCABULARY)])
        assert set(store.read_users(["ann"])) == {"ann"}
