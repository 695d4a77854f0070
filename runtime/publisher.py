"""Publishing from the workers: whole record batches, all acknowledged before anything is built on them."""

import asyncio
import random
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import kafka.errors
import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from headwater.v1.topics import ALL_TOPICS
from runtime.backoff import pauses
from runtime.broker.access import connected
from runtime.broker.codecs import CODECS
from runtime.broker.login import check_login
from runtime.broker.producer import may_pass, start_producer, stop_producer
from runtime.broker.topic_config import topic_configs
from runtime.errors import UserError
from runtime.record import Oversized, Publication
from runtime.settings import KafkaSettings

__all__ = ["PublishError", "Publisher"]

_log = structlog.get_logger(__name__)
_MAX_BATCH_BYTES = 900 * 1024
_RECORD_BYTES = 100  # of a record in a batch beside its key and value, at most
_TELL_SECONDS = 1.0
_SLOW_SECONDS = 5.0  # without an acknowledgement, after which those who wait are told
_STOP_SECONDS = 2.0
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class PublishError(UserError):
    """Records that the broker refuses for good."""


@dataclass(frozen=True, slots=True)
class _Batch:
    records: list[Publication]
    packed: Any


@dataclass(slots=True)
class _Trouble:
    """What the broker said last to one call, for those who wait for it."""

    last: str = ""


def _log_wait(what: str) -> None:
    _log.warning("publishing_waits", what=what)


class Publisher:
    """A producer that writes whole record batches, and waits for an unreachable broker.

    It is not idempotent, and need not be: a retry keeps the order within a partition, and whoever reads these topics knows
    a record by its source or takes the latest of its key. (aiokafka asks for producer ids in a form so old that the embedded
    broker refuses it.)

    A key's partition is its CRC-32 over the number of partitions, on every topic that the workers write. Awaiting each
    single record costs more than folding it, so records are packed here and each batch is awaited once.
    """

    def __init__(
        self, kafka: KafkaSettings, *, retry_pauses: Callable[[], Iterator[float]] = lambda: pauses(random.Random())
    ) -> None:
        """Args: `retry_pauses` gives seconds between attempts while no broker takes records."""
        self._kafka, self._retry_pauses = kafka, retry_pauses
        self._producer: Any = None
        self._connecting = asyncio.Lock()
        self._limits: dict[str, int] = {}

    async def __aenter__(self) -> "Publisher":
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    async def start(self, hear: Callable[[str], None] = _log_wait) -> None:
        """Connects, and reads how large the batches of each topic may be; waits while no broker can be reached.

        Args:
            hear: called with what is waited for, as text, after each failed attempt.

        Raises:
            BrokerTlsError, LoginError: the broker refuses the connection, and would again.
        """
        for pause in self._retry_pauses():
            await asyncio.to_thread(check_login, self._kafka)
            try:
                await self._live()
            except KafkaError as error:
                hear(f"no broker answers at {self._kafka.bootstrap_servers}: {error}")
                await asyncio.sleep(pause)
            else:
                break
        await self._read_limits()

    async def stop(self) -> None:
        """Closes the connection; every `publish` has ended by then."""
        if self._producer is not None:
            await stop_producer(self._producer, _STOP_SECONDS)

    async def publish(self, publications: Sequence[Publication], hear: Callable[[str], None] = _log_wait) -> list[Oversized]:
        """Returns when the broker has acknowledged every record, but for those that are too large for their topics.

        It waits for as long as the broker takes none. When it is cancelled, nothing more of them is sent.

        Args:
            hear: called with what is waited for, as text, each second once it takes longer than usual.

        Raises:
            PublishError: the broker refuses some for another reason; others may have been taken.
        """
        trouble = _Trouble()
        sending = asyncio.ensure_future(self._send_all(publications, trouble))
        began = time.monotonic()
        try:
            while not (await asyncio.wait([sending], timeout=_TELL_SECONDS))[0]:
                if (waited := time.monotonic() - began) > _SLOW_SECONDS:
                    servers = self._kafka.bootstrap_servers
                    hear(f"{servers} has not acknowledged {len(publications)} records for {waited:.0f} s{trouble.last}")
            return sending.result()
        except asyncio.CancelledError:
            sending.cancel()
            await asyncio.wait([sending])
            producer, self._producer = self._producer, None
            if producer is not None:
                await stop_producer(producer, 0.0)
            raise

    async def _live(self) -> Any:
        """The producer, connected again where a `publish` that was cancelled has ended it; raises KafkaError."""
        async with self._connecting:
            if self._producer is None:
                self._producer = await start_producer(self._kafka, acks="all", max_batch_size=_MAX_BATCH_BYTES)
            return self._producer

    async def _send_all(self, publications: Sequence[Publication], trouble: _Trouble) -> list[Oversized]:
        by_partition: dict[tuple[str, int], list[Publication]] = {}
        counts = {topic: await self._count(topic, trouble) for topic in {publication.topic for publication in publications}}
        for publication in publications:
            where = publication.topic, zlib.crc32(publication.key) % counts[publication.topic]
            by_partition.setdefault(where, []).append(publication)
        parts = [asyncio.ensure_future(self._send_part(*where, records, trouble)) for where, records in by_partition.items()]
        try:
            return [one for refused in await asyncio.gather(*parts) for one in refused]
        finally:
            for part in parts:
                part.cancel()

    async def _send_part(self, topic: str, partition: int, records: list[Publication], trouble: _Trouble) -> list[Oversized]:
        """Sends one batch of a partition after the other, so that a repeat of one cannot overtake the next."""
        oversized: list[Oversized] = []
        batches = deque(self._packed(topic, records))
        waits = self._retry_pauses()
        while batches:
            try:
                producer = await self._live()
                await (await producer.send_batch(batches[0].packed, topic, partition=partition))
            except _TOO_LARGE:
                refused = batches.popleft()
                await self._read_limits()
                if len(refused.records) > 1:
                    batches.extendleft(reversed(self._split(topic, refused.records)))
                else:
                    limit = self._limits.get(topic)
                    oversized.append(Oversized(publication=refused.records[0], size=refused.packed.size(), limit=limit))
            except KafkaError as error:
                if not may_pass(error):
                    raise PublishError(
                        f"{self._kafka.bootstrap_servers} refuses records for {topic}: {error!r}. What was read is read again at "
                        "the next start"
                    ) from error
                trouble.last = f": {topic} {error!r}"
                await asyncio.sleep(next(waits))
            else:
                batches.popleft()
                waits = self._retry_pauses()
        return oversized

    def _split(self, topic: str, records: list[Publication]) -> list[_Batch]:
        """Smaller batches than the one that held all of these."""
        packed = self._packed(topic, records)
        if len(packed) > 1:
            return packed
        half = len(records) // 2
        return self._packed(topic, records[:half]) + self._packed(topic, records[half:])

    def _packed(self, topic: str, records: Sequence[Publication]) -> list[_Batch]:
        now_ms, room = int(time.time() * 1000), min(self._limits.get(topic, _MAX_BATCH_BYTES), _MAX_BATCH_BYTES)
        batches: list[_Batch] = []
        for record in records:
            size = len(record.key) + len(record.value or b"") + _RECORD_BYTES
            if not batches or batches[-1].packed.size() + size > room:
                batches.append(_Batch([], BatchBuilder(_MAX_BATCH_BYTES, CODECS.index(self._kafka.compression))))
            # aiokafka takes the first record of a batch whatever its size.
            batches[-1].packed.append(timestamp=now_ms, key=record.key, value=record.value)
            batches[-1].records.append(record)
        return batches

    async def _count(self, topic: str, trouble: _Trouble) -> int:
        """Partitions of a topic; waits while the broker does not tell."""
        for pause in self._retry_pauses():
            try:
                producer = await self._live()
                return len(await producer.partitions_for(topic))
            except KafkaError as error:
                trouble.last = f": {topic} {error!r}"
                await asyncio.sleep(pause)
        raise AssertionError("the pauses between attempts never end")

    async def _read_limits(self) -> None:
        """Takes over max.message.bytes of every topic, where this process may read it."""
        try:
            self._limits = await asyncio.to_thread(_limits, self._kafka)
        except kafka.errors.KafkaError as error:
            _log.warning("topic_limits_not_read", error=str(error))


def _limits(kafka: KafkaSettings) -> dict[str, int]:
    with connected(kafka) as admin:
        configs = topic_configs(admin, [topic.name for topic in ALL_TOPICS])
    return {name: one.max_message_bytes for name, one in configs.items() if one.max_message_bytes is not None}
