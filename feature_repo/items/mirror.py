"""Thread that keeps a process's item table current from the compacted topics of item rows."""

import math
import threading
import time
from collections.abc import Callable
from itertools import islice

import numpy as np
import structlog
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from feature_repo.decode import Rejection
from feature_repo.items.records import decode_activity, decode_content
from feature_repo.items.table import ItemTable
from headwater.v1.topics import ITEM_ACTIVITY, ITEM_CONTENT
from runtime.broker.errors import BrokerError
from runtime.broker.log_consumer import LogConsumer
from runtime.broker.login import check_login
from runtime.settings import KafkaSettings
from runtime.supervisor import StartThread, start_thread
from runtime.topics import Log, LogError, logs

__all__ = ["ItemMirror"]

_log = structlog.get_logger(__name__)
_FETCH_WAIT_MS = 100  # the embedded broker lets a fetch wait to the end even when records come: this bounds staleness
_LOOK_SECONDS = 30.0
_UNHEARD_SECONDS = 10.0
_TOPICS = (ITEM_CONTENT.name, ITEM_ACTIVITY.name)


class ItemMirror:
    """Reads both topics from their beginning and then follows them, without a consumer group; the table's only writer.

    A record that does not fit the table (another vocabulary, another encoder) is counted and skipped: the rest stays current.
    Items of which the log holds another encoder's vector alone are waited for, since a table that lacks many would not be ready.
    A few are not: their catalogue worker may never come to write them, and who waits for it would never answer.
    """

    def __init__(
        self, table: ItemTable, kafka: KafkaSettings, *, encoder_version: str | None = None, foreign_ratio: float = 0.0
    ) -> None:
        """Args:
        encoder_version: This process's; vectors of another mean something else, even if they fit. None takes any.
        foreign_ratio: Part of the items that may be missing for that reason, from 0 to 1, without being waited for.
        """
        self.table = table
        self.activities_applied = 0
        self.contents_applied = 0
        self.records_skipped = 0
        self.lag_records = math.nan
        """Records that are in the log and not yet in the table, as of the last fetch; NaN while no broker tells."""
        self.applied_at = 0.0
        """When the newest applied record was appended to the log, Unix seconds."""
        self._hear_skipped: Callable[[], None] = lambda: None
        self._kafka = kafka
        self._encoder_version = encoder_version
        self._foreign_ratio = foreign_ratio
        self._foreign: set[str] = set()
        """Items that are not in the table, because another encoder wrote their vectors."""
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, thread: StartThread = start_thread) -> None:
        """Starts reading; an error other than of the broker, which is waited for, ends the thread."""
        self._thread = thread("item-mirror", self._run)

    def on_skipped(self, hear: Callable[[], None]) -> None:
        """Registers a callback, run in the mirror's thread, for each record that the table cannot take over."""
        self._hear_skipped = hear

    def wait_ready(self, timeout: float) -> bool:
        """True once the table holds what the log held when reading began; False after `timeout` seconds."""
        return self._ready.wait(timeout)

    @property
    def encoder_mismatches(self) -> int:
        """Items that the table lacks until the catalogue worker of this process's encoder writes them, or deletes them."""
        return len(self._foreign)

    @property
    def some_encoder_mismatches(self) -> list[str]:
        """Ids of ten of those, for a log."""
        return sorted(islice(self._foreign.copy(), 10))  # a copy, since the thread that reads goes on changing it

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (KafkaError, BrokerError) as error:
                self.lag_records = math.nan
                _log.warning("item_mirror_interrupted", error=str(error), retry_seconds=1.0)
                self._stop.wait(1.0)

    def _follow(self) -> None:
        check_login(self._kafka)
        # The checksums of records are computed in Python and would cost more than the rest; the broker has checked them.
        consumer = LogConsumer(self._kafka, fetch_max_wait_ms=_FETCH_WAIT_MS, check_crcs=False)
        try:
            partitions = self._partitions(consumer)
            known, looked_at = self._logs(), time.monotonic()
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            while not self._stop.is_set():
                if time.monotonic() - looked_at > _LOOK_SECONDS:
                    found, looked_at = self._logs(), time.monotonic()
                    if known is not None and found not in (None, known):
                        _log.warning(
                            "item_logs_changed", hint="created again, or with more partitions: read from their beginning"
                        )
                        return
                    known = known or found
                for records in consumer.poll(timeout_ms=100, max_records=5000).values():
                    for record in records:
                        self._apply(record)
                # The watermark of the last fetch, not a listing of end offsets: the embedded broker's listing is stale
                # within a batch of records.
                ends = [consumer.highwater(partition) for partition in partitions]
                if consumer.unheard_seconds() > _UNHEARD_SECONDS:
                    self.lag_records = math.nan
                elif all(end is not None for end in ends):
                    self.lag_records = sum(ends) - sum(consumer.position(partition) for partition in partitions)
                    if self.lag_records == 0 and not self._ready.is_set() and self._complete():
                        self._ready.set()
        finally:
            consumer.close()

    def _logs(self) -> dict[str, Log] | None:
        """Ids and partitions of the topics; None while no broker tells."""
        try:
            return logs(self._kafka, _TOPICS)
        except (LogError, BrokerError, KafkaError):
            return None

    def _partitions(self, consumer: LogConsumer) -> list[TopicPartition]:
        while not self._stop.is_set():
            numbers = {topic: consumer.partitions_for_topic(topic) for topic in _TOPICS}
            if all(numbers.values()):
                return [TopicPartition(topic, number) for topic in _TOPICS for number in sorted(numbers[topic])]
            _log.info("item_mirror_waits_for_topics", missing=[topic for topic in _TOPICS if not numbers[topic]])
            self._stop.wait(0.5)
        return []

    def _complete(self) -> bool:
        """Whether no more items are missing than may be."""
        missing = len(self._foreign)
        if missing > self._foreign_ratio * (missing + np.count_nonzero(self.table.live)):
            return False
        if missing:
            _log.warning("ready_without_items", encoder_mismatches=missing, some_of_them=self.some_encoder_mismatches)
        return True

    def _apply(self, record: ConsumerRecord) -> None:
        self.applied_at = record.timestamp / 1000.0 if record.timestamp else time.time()
        try:
            if record.topic == ITEM_ACTIVITY.name:
                self._apply_activity(record.key, record.value)
                self.activities_applied += 1
            else:
                self._apply_content(record.key, record.value)
                self.contents_applied += 1
        except ValueError as error:
            self.records_skipped += 1
            self._hear_skipped()
            if self.records_skipped <= 10:  # a wrong encoder would log once an item
                _log.error("item_record_skipped", topic=record.topic, offset=record.offset, error=str(error))

    def _apply_activity(self, key: bytes | None, value: bytes | None) -> None:
        if value is None:
            self.table.clear_activity(_deleted(key))
            return
        activity = decode_activity(value, key=key, vocabulary=self.table.vocabulary)
        if isinstance(activity, Rejection):
            raise ValueError(activity.detail)
        assert key is not None
        self.table.set_activity(key.decode(), *activity)

    def _apply_content(self, key: bytes | None, value: bytes | None) -> None:
        if value is None:
            item_id = _deleted(key)
            self._foreign.discard(item_id)
            self.table.delete(item_id)
            return
        content = decode_content(value, key=key)
        if isinstance(content, Rejection):
            raise ValueError(content.detail)
        item_id = content.item.item_id
        if content.vector and self._encoder_version not in (None, content.encoder_version):
            if not self.table.holds(item_id):
                self._foreign.add(item_id)
            raise ValueError(
                f"item {item_id}: encoded by {content.encoder_version}, this process has {self._encoder_version}; "
                "set one HEADWATER_ENCODER for all processes"
            )
        self._foreign.discard(item_id)
        self.table.set_content(content.item, np.frombuffer(content.vector, dtype="<f4") if content.vector else None)


def _deleted(key: bytes | None) -> str:
    """The item of a tombstone."""
    if key is None:
        raise ValueError("a record without a key belongs to no item")
    return key.decode()
