"""Records that a log no longer has although they were never read."""

from dataclasses import dataclass
from datetime import UTC, datetime

from kafka import KafkaConsumer, TopicPartition

from runtime.settings import KafkaSettings

__all__ = ["Loss", "RecordsLost", "record_time"]

_FETCH_MS = 5000


class RecordsLost(RuntimeError):
    """A worker stops because its log has lost records; the message says which, and how to go on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """What is missing in one partition."""

    topic: str
    partition: int
    expected: int
    """Offset that was to be read next."""
    first: int
    """Offset of the first record that is left."""
    end: int
    """Offset behind the last one."""
    until: float | None
    """When the first record that is left was appended, Unix seconds; None where none is left."""

    @property
    def truncated(self) -> bool:
        """The log ends before what was already read: it lost its newest records, and will give their offsets to others."""
        return self.expected > self.end

    @property
    def records(self) -> int:
        """How many offsets are gone; control records and records removed by compaction count, too."""
        return self.expected - self.end if self.truncated else self.first - self.expected

    def __str__(self) -> str:
        where = f"{self.topic} partition {self.partition}"
        if self.truncated:
            return (
                f"{where} ends at offset {self.end}, but was read up to {self.expected}: the broker lost the last {self.records} "
                "records (unclean leader election, or a restored volume)"
            )
        until = (
            "" if self.until is None else f", all appended before {datetime.fromtimestamp(self.until, UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
        return (
            f"{where} begins at offset {self.first}, but was read up to {self.expected} only: retention deleted {self.records} "
            f"records before they were read{until}"
        )

    def advice(self, group: str) -> str:
        """What an operator can do."""
        if self.truncated:
            return "Offsets would be given out twice: follow docs/runbooks/RecordsLost.md"
        return (
            f"To go on without them: `headwater offsets move {group} --to start`; or set HEADWATER_WORKER_LOST_RECORDS=continue; "
            "see docs/runbooks/RecordsLost.md"
        )


def record_time(kafka: KafkaSettings, topic: str, partition: int, offset: int) -> float | None:
    """When the record at or after this offset was appended, Unix seconds; None if there is none. Blocks."""
    consumer = KafkaConsumer(group_id=None, enable_auto_commit=False, allow_auto_create_topics=False, **kafka.client_options())
    try:
        where = TopicPartition(topic, partition)
        consumer.assign([where])
        consumer.seek(where, offset)
        found = consumer.poll(timeout_ms=_FETCH_MS, max_records=1).get(where, ())
        return found[0].timestamp / 1000.0 if found else None
    finally:
        consumer.close()
