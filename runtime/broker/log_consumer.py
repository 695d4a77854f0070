"""Consumer of kafka-python as every reader outside a worker uses it: without a group's partitions, and committed records only."""

import math
import time
from typing import Any

from kafka import KafkaConsumer

from runtime.settings import KafkaSettings

__all__ = ["LogConsumer"]

_METADATA_MS = 30_000  # new partitions are seen no later than this


class LogConsumer(KafkaConsumer):  # type: ignore[misc]  # kafka-python has no types
    """kafka-python's own, except that `highwater` is the offset behind the last record that it may read.

    Records of a transaction that is still open lie behind that offset, those of an aborted one and the markers of both before it:
    a partition is read to its end when `position` has come to `highwater`, whatever its last record is. kafka-python keeps the
    log's own end instead, which a reader does not reach as long as a transaction is open. Where its position is not in the log
    any more, it goes to the beginning, not past all records to the end.
    """

    def __init__(self, kafka: KafkaSettings, *, group_id: str | None = None, **options: object) -> None:
        """Args: `group_id` is the group whose committed offsets are asked for; `options` are those of kafka-python."""
        super().__init__(
            group_id=group_id,
            enable_auto_commit=False,
            allow_auto_create_topics=False,  # one made by asking has the broker's own number of partitions
            isolation_level="read_committed",
            metadata_max_age_ms=_METADATA_MS,
            **{"auto_offset_reset": "earliest", **options, **kafka.client_options()},
        )
        self._heard_at: dict[Any, float] = {}
        parse = self._fetcher._parse_fetched_data

        def parse_stable(fetch: Any) -> Any:
            data = fetch.partition_data
            if data.error_code == 0:
                self._heard_at[fetch.topic_partition] = time.monotonic()
            if data.last_stable_offset >= 0:  # brokers that do not know it say -1
                data.high_watermark = data.last_stable_offset
            return parse(fetch)

        self._fetcher._parse_fetched_data = parse_stable

    def unheard_seconds(self) -> float:
        """Time since a fetch was answered for the assigned partition that was heard of least lately."""
        now = time.monotonic()
        return max((now - self._heard_at.get(partition, -math.inf) for partition in self.assignment()), default=math.inf)
