"""The mirror takes over what fits its process, and passes by what another encoder or another vocabulary made."""

import queue

import numpy as np
from kafka import KafkaProducer
from prometheus_client import CollectorRegistry

from feature_repo.codec import encode_activity
from feature_repo.items.mirror import ItemMirror
from feature_repo.rows import ItemRow
from headwater.internal.v1.packed_pb2 import PackedItemActivity
from headwater.internal.v1.streams_pb2 import ItemActivity, ItemContent
from headwater.v1.topics import ITEM_ACTIVITY, ITEM_CONTENT
from runtime.settings import KafkaSettings
from runtime.supervisor import BackgroundFailure, Supervisor, failures_counter
from runtime.topics import ensure_topics
from tests.broker import running_broker
from tests.feature_repo.worlds import VOCABULARY, table_of

OURS, ANOTHER = "small-0123456789ab", "large-ba9876543210"


def entry(item_id: str, encoder_version: str, *, text: bool = True) -> ItemContent:
    """An entry of the catalogue as the worker writes it."""
    content = ItemContent(vector=bytes(6 * 4) if text else b"", encoder_version=encoder_version)
    content.item.item_id, content.item.type = item_id, "article"
    return content


def publish(kafka: KafkaSettings, topic: str, *messages: ItemContent | ItemActivity | PackedItemActivity) -> None:
    """Writes the records and waits for the broker."""
    producer = KafkaProducer(**kafka.client_options())
    for message in messages:
        item_id = message.item.item_id if isinstance(message, ItemContent) else message.item_id
        producer.send(topic, key=item_id.encode(), value=message.SerializeToString())
    producer.flush()
    producer.close()


def delete(kafka: KafkaSettings, item_id: str) -> None:
    """Writes the tombstone of an entry."""
    producer = KafkaProducer(**kafka.client_options())
    producer.send(ITEM_CONTENT.name, key=item_id.encode(), value=None)
    producer.flush()
    producer.close()


def test_vectors_of_another_encoder_are_passed_by() -> None:
    """Even of the same length; an entry without text has no vector and is taken from any; the rest stays current."""
    with running_broker() as kafka:
        ensure_topics(kafka, partitions=1)
        entries = entry("a", OURS), entry("a", ANOTHER), entry("c", ANOTHER, text=False)
        publish(kafka, ITEM_CONTENT.name, *entries)
        publish(kafka, ITEM_ACTIVITY.name, ItemActivity(item_id="a", fingerprint=1, values=[0.0, 0.0]))
        mirror = ItemMirror(table_of(0), kafka, encoder_version=OURS)
        mirror.start()
        try:
            assert mirror.wait_ready(60.0)
        finally:
            mirror.stop()
    live = {item_id for item_id, row in mirror.table.index.items() if mirror.table.live[row]}
    assert live == {"a", "c"}
    assert mirror.contents_applied == 2
    assert mirror.records_skipped == 2


def test_a_table_without_items_that_another_encoder_wrote_is_not_ready() -> None:
    """A server that becomes ready while the catalogue is encoded again would be ready to answer with a part of it."""
    with running_broker() as kafka:
        ensure_topics(kafka, partitions=1)
        publish(kafka, ITEM_CONTENT.name, entry("a", OURS), entry("b", ANOTHER), entry("c", ANOTHER))
        publish(kafka, ITEM_ACTIVITY.name, ItemActivity(item_id="a", fingerprint=1, values=[0.0, 0.0]))
        mirror = ItemMirror(table_of(0), kafka, encoder_version=OURS)
        mirror.start()
        try:
            assert not mirror.wait_ready(2.0)
            assert mirror.encoder_mismatches == 2
            publish(kafka, ITEM_CONTENT.name, entry("b", OURS))
            assert not mirror.wait_ready(1.0)
            delete(kafka, "c")
            assert mirror.wait_ready(60.0)
        finally:
            mirror.stop()
    assert mirror.encoder_mismatches == 0
    assert [item_id for item_id in "abc" if mirror.table.holds(item_id)] == ["a", "b"]


def test_a_few_items_that_nobody_will_write_again_are_left_out() -> None:
    """A process that starts does not wait for them forever, and has no vector of theirs."""
    with running_broker() as kafka:
        ensure_topics(kafka, partitions=1)
        publish(kafka, ITEM_CONTENT.name, entry("lost", ANOTHER), *(entry(f"i{number}", OURS) for number in range(8)))
        publish(kafka, ITEM_ACTIVITY.name, ItemActivity(item_id="i0", fingerprint=1, values=[0.0, 0.0]))
        mirror = ItemMirror(table_of(0), kafka, encoder_version=OURS, foreign_ratio=0.1)
        mirror.start()
        try:
            assert not mirror.wait_ready(2.0)  # one of nine is too many
            publish(kafka, ITEM_CONTENT.name, entry("i8", OURS))
            assert mirror.wait_ready(60.0)
            assert mirror.some_encoder_mismatches == ["lost"]
        finally:
            mirror.stop()
    assert np.count_nonzero(mirror.table.live) == 9
    assert not mirror.table.holds("lost")


def test_an_error_that_no_wait_cures_ends_the_thread() -> None:
    """A table that silently goes stale would look fresh; the supervisor of the thread starts it again, or ends the process."""
    broken = table_of(0)
    broken.set_activity = None  # type: ignore[method-assign, assignment]  # any call fails as a defect of ours would
    given_up: queue.Queue[BackgroundFailure] = queue.Queue()
    supervisor = Supervisor(failures_counter(CollectorRegistry()), failed=given_up.put)
    with running_broker() as kafka:
        ensure_topics(kafka, partitions=1)
        publish(kafka, ITEM_ACTIVITY.name, encode_activity(ItemRow.empty("a", VOCABULARY), VOCABULARY))
        mirror = ItemMirror(broken, kafka)
        mirror.start(supervisor.thread)
        assert isinstance(given_up.get(timeout=60.0).__cause__, TypeError)
        assert not mirror.wait_ready(0.0)
        mirror.stop()


def test_audiences_reach_the_table() -> None:
    """What the item agent says of an item's users is what candidates are compared by, and nothing where nobody acted."""
    known, quiet = ItemRow.empty("i0", VOCABULARY), ItemRow.empty("i1", VOCABULARY)
    known.updated_at = quiet.updated_at = 5.0
    known.counters_CH[2:] = 1.0
    known.audience_AC = np.array([[70_000.0, 4.0, 0.0, np.nan, 1.0], [3.0, 5.0, 1.0, 2.0, np.nan]])
    with running_broker() as kafka:
        ensure_topics(kafka, partitions=1)
        publish(kafka, ITEM_ACTIVITY.name, encode_activity(known, VOCABULARY), encode_activity(quiet, VOCABULARY))
        mirror = ItemMirror(table_of(2), kafka)
        mirror.start()
        try:
            assert mirror.wait_ready(60.0)
        finally:
            mirror.stop()
    audience = known.audience()
    assert mirror.activities_applied == 2
    np.testing.assert_array_equal(mirror.table.places[0, :2], audience.places_A)
    np.testing.assert_array_equal(mirror.table.opinions[0, :, :2], audience.opinions_TA)
    assert not mirror.table.opinions[0, :, 2:].any()
    assert not mirror.table.opinions[1].any()


def test_records_that_no_table_can_hold_are_counted_and_end_no_mirror() -> None:
    """Too few counters, counters that are no numbers, half an audience, a vector of infinities: each would spoil every answer."""
    fingerprint, width = VOCABULARY.fingerprint, len(VOCABULARY.activity)
    infinite = entry("a", OURS)
    infinite.vector = np.full(6, np.inf, dtype="<f4").tobytes()
    half = encode_activity(ItemRow.empty("a", VOCABULARY), VOCABULARY)
    half.audience_places, half.audience_opinions = bytes(3), bytes(5)
    with running_broker() as kafka:
        ensure_topics(kafka, partitions=1)
        publish(kafka, ITEM_CONTENT.name, infinite, entry("b", OURS))
        short = ItemActivity(item_id="a", fingerprint=fingerprint, values=[1.0])
        unknown = ItemActivity(item_id="a", fingerprint=fingerprint, values=[float("nan")] * width)
        publish(kafka, ITEM_ACTIVITY.name, short, unknown, half, encode_activity(ItemRow.empty("b", VOCABULARY), VOCABULARY))
        mirror = ItemMirror(table_of(0), kafka, encoder_version=OURS)
        mirror.start()
        try:
            assert mirror.wait_ready(60.0)
        finally:
            mirror.stop()
    assert mirror.records_skipped == 4
    assert mirror.contents_applied == mirror.activities_applied == 1
    assert np.isfinite(mirror.table.priors()).all()
