"""Records that a log no longer has although they were never read."""

from dataclasses import dataclass
from datetime import UTC, datetime

from kafka import TopicPartition

from runtime.broker.log_consumer import LogConsumer
from runtime.settings import KafkaSettings

__all__ = ["Loss", "RecordsLost", "record_time"]

_FETCH_MS = 5000


class RecordsLost(RuntimeError):
    """A worker stops because its log has lost records; the message says which, and how to go on."""

    def __init__(self, group: str, loss: "Loss") -> None:
        super().__init__(f"{loss}. {loss.advice(group)}")
        self.group, self.partition = group, loss.partition


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
    after: float | None
    """When the last record that was read was appended, Unix seconds; None where that is not known."""
    before: float | None
    """The same of the first record that is left; None where none is left."""

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
        return (
            f"{where} begins at offset {self.first}, but was read up to {self.expected} only: retention deleted {self.records} "
            f"records before they were read{_between(self.after, self.before)}"
        )

    def advice(self, group: str) -> str:
        """What an operator can do."""
        if self.truncated:
            return "Offsets would be given out twice: follow docs/runbooks/RecordsLost.md"
        return (
            f"To go on without them: `headwater offsets move {group} --to remaining`; or set "
            "HEADWATER_WORKER_LOST_RECORDS=continue; see docs/runbooks/RecordsLost.md"
        )


def _between(after: float | None, before: float | None) -> str:
    bounds = [
        f"{which} {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
        for which, at in (("after", after), ("before", before))
        if at is not None
    ]
    return f", appended {' and '.join(bounds)}" if bounds else ""


def record_time(kafka: KafkaSettings, topic: str, partition: int, offset: int) -> float | None:
    """When the record at or after this offset was appended, Unix seconds; None if there is none. Blocks."""
    consumer = LogConsumer(kafka)
    try:
        where = TopicPartition(topic, partition)
        consumer.assign([where])
        consumer.seek(where, offset)
        found = consumer.poll(timeout_ms=_FETCH_MS, max_records=1).get(where, ())
        return found[0].timestamp / 1000.0 if found else None
    finally:
        consumer.close()
