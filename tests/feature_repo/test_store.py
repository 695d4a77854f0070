"""Rows in a real store, SQLite and Redis: round trips, bounds, and clear words when it cannot serve."""

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from hypothesis import given, settings

from feature_repo.codec import decode_item, decode_user, encode_item, encode_user
from feature_repo.decoded_event import FORGET, DecodedEvent
from feature_repo.definitions import ITEM_CONTENT
from feature_repo.rows import ItemRow, UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import RowSchemaError, RowStore, StoreUnavailable, apply
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1.catalogue_pb2 import Item
from tests.feature_repo.worlds import VOCABULARY, assert_equal_rows, event, fold_all, histories
from tests.redis import running_redis


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    directory = tmp_path_factory.mktemp("store")
    if request.param == "redis":
        with running_redis(directory) as store:
            apply(store)
            yield store
    else:
        apply(StoreSettings(directory=directory))
        yield StoreSettings(directory=directory)


@given(histories())
@settings(max_examples=30)
def test_user_row_survives_encoding(events: list[DecodedEvent]) -> None:
    """What is read back is what was written, to the bit."""
    row, _, _ = fold_all(list(enumerate(events)))
    back = decode_user("u", encode_user(row, VOCABULARY), VOCABULARY)
    assert_equal_rows(row, back)
    assert list(back.seen) == list(row.seen)
    assert back.alias == row.alias
    assert (back.log, back.partition, back.offset) == (row.log, row.partition, row.offset)


def test_item_row_survives_encoding() -> None:
    """Positions of several partitions come back each to its own."""
    row = ItemRow.empty("i", VOCABULARY)
    row.log, row.offsets, row.updated_at, row.deleted_micros = 2**62, {3: 7, 1: 9}, 5.5, 3_000_000
    row.counters_CH += 0.1
    row.audience_AC = np.array([[7.0, 5.0, 1.0, np.nan, 0.0], [2.0**32 - 1, 5.5, 0.0, 1.0, np.nan]])
    back = decode_item("i", encode_item(row, VOCABULARY), VOCABULARY)
    assert (back.log, back.offsets, back.updated_at) == (row.log, row.offsets, row.updated_at)
    assert back.deleted_micros == row.deleted_micros
    np.testing.assert_array_equal(back.counters_CH, row.counters_CH)
    np.testing.assert_array_equal(back.audience_AC, row.audience_AC)


def test_rows_written_are_read_back_by_another_process_view(place: StoreSettings) -> None:
    """A second connection, as the server has one, sees the write; ids without a row are absent."""
    row, _, _ = fold_all([(0, event("click"))])
    RowStore(place, VOCABULARY).write_users([row])
    found = RowStore(place, VOCABULARY).read_users(["u", "nobody"])
    assert list(found) == ["u"]
    assert_equal_rows(found["u"], row)


def test_row_past_its_time_to_live_is_absent_when_served(place: StoreSettings) -> None:
    """Feast does not check the age on reads, so the store does."""
    row, _, _ = fold_all([(0, event("click", at=1000.0))])
    store = RowStore(place, VOCABULARY)
    store.write_users([row])
    assert store.read_user("u", 1000.0 + place.user_ttl_seconds) is not None
    assert store.read_user("u", 1001.0 + place.user_ttl_seconds) is None


def test_an_erased_row_is_absent_when_served_and_still_bars_older_events(place: StoreSettings) -> None:
    """Nothing but the position, the bar and the receipt is left in the store."""
    row, _, _ = fold_all([(0, event("click")), (1, event(FORGET, "", 1001.0))])
    store = RowStore(place, VOCABULARY)
    store.write_users([row])
    assert store.read_user("u", -math.inf) is None
    back = store.read_users(["u"])["u"]
    assert_equal_rows(back, UserRow.empty("u", VOCABULARY))
    assert (back.offset, back.barred_until, back.erasure) == (1, 1001.0, row.erasure)


def test_a_deleted_item_is_null_to_feast(place: StoreSettings) -> None:
    """Another team's reads through Feast's own API see an item never heard of, not one with an empty title."""
    from feast import FeatureStore

    from feature_repo.store import repo_config

    store = RowStore(place, VOCABULARY)
    store.write_contents([ItemContent(item=Item(item_id="gone", type="song", title="A title"))])
    store.delete_items(["gone"])
    names = [f"item_content:{field.name}" for field in ITEM_CONTENT.features]
    feast = FeatureStore(config=repo_config(place))
    found = feast.get_online_features(features=names, entity_rows=[{"item_id": "gone"}]).to_dict()
    assert found.pop("item_id") == ["gone"]
    assert set(map(repr, found.values())) == {"[None]"}


def test_row_of_other_tasks_is_refused_in_words(place: StoreSettings) -> None:
    """Counters of other tasks would be read as if they were ours."""
    row, _, _ = fold_all([(0, event("click"))])
    RowStore(place, VOCABULARY).write_users([row])
    other = Vocabulary(parse_tasks('[tasks.buy]\nkind = "binary"\nevent = "purchase"'))
    with pytest.raises(RowSchemaError, match="other tasks"):
        RowStore(place, other).read_users(["u"])


class EarlierRelease(Vocabulary):
    """The same tasks, and one feature less than today."""

    @cached_property
    def features(self) -> tuple[str, ...]:
        return super().features[:-1]


def test_row_of_an_earlier_release_is_refused_in_words_and_left_as_it_is(place: StoreSettings) -> None:
    """Its fingerprint tells it, although the tasks are the same; whoever still runs that release reads it on."""
    earlier = EarlierRelease(VOCABULARY.tasks)
    row, _, _ = fold_all([(0, event("click"))])
    RowStore(place, earlier).write_users([row])
    words = rf"release with other features .*{earlier.fingerprint:08x}, this process has {VOCABULARY.fingerprint:08x}.*replay"
    with pytest.raises(RowSchemaError, match=words):
        RowStore(place, VOCABULARY).read_users(["u"])
    assert list(RowStore(place, earlier).read_users(["u"])) == ["u"]


def test_row_of_a_task_that_meant_something_else_is_refused(place: StoreSettings) -> None:
    """Sums of 0 and 1 must not mix with logarithms of seconds, although the task kept its name."""
    binary, duration = (
        Vocabulary(parse_tasks(f'[tasks.read]\nevent = "read"\n{kind}'))
        for kind in ('kind = "binary"\nat_least = 30.0', 'kind = "duration"')
    )
    RowStore(place, binary).write_users([UserRow.empty("reader", binary)])
    with pytest.raises(RowSchemaError, match="written for other tasks"):
        RowStore(place, duration).read_users(["reader"])


def test_store_that_was_never_prepared_says_so(tmp_path: Path) -> None:
    """The error names the store and the way out."""
    with pytest.raises(StoreUnavailable, match="headwater up"):
        RowStore(StoreSettings(directory=tmp_path), VOCABULARY).read_users(["u"])


def test_catalogue_entries_are_ordinary_feast_features(place: StoreSettings) -> None:
    """Another team reads titles and vectors through Feast's own API, without Headwater."""
    from feast import FeatureStore

    from feature_repo.store import repo_config

    vector = np.array([0.6, 0.8], dtype="<f4")
    content = ItemContent(item=Item(item_id="i9", type="song", title="A title"), vector=vector.tobytes(), encoder_version="e1")
    RowStore(place, VOCABULARY).write_contents([content])
    assert RowStore(place, VOCABULARY).read_titles(["i9", "unknown"]) == {"i9": "A title"}
    found = FeatureStore(config=repo_config(place)).get_online_features(
        features=["item_content:title", "item_content:vector"], entity_rows=[{"item_id": "i9"}]
    )
    assert found.to_dict()["title"] == ["A title"]
    np.testing.assert_allclose(found.to_dict()["vector"][0], vector)


def test_the_hundredth_read_asks_for_no_more_than_the_first(tmp_path: Path) -> None:
    """Feast's Redis store appends to the list of features that it is given: one shared by all reads would grow with each."""
    with running_redis(tmp_path) as settings:
        apply(settings)
        store = RowStore(settings, VOCABULARY)
        store.write_users([UserRow.empty("ann", VOCABULARY)])
        client = redis.Redis.from_url(str(settings.redis_url))

        def bytes_of_a_read() -> int:
            before: Any = client.info("stats")
            store.read_user("ann", 0.0)
            after: Any = client.info("stats")
            return int(after["total_net_input_bytes"] - before["total_net_input_bytes"])

        store.read_user("ann", 0.0)  # connects
        first = bytes_of_a_read()
        for _ in range(98):
            store.read_user("ann", 0.0)
        assert bytes_of_a_read() == first
        client.close()
