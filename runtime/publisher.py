"""Publishing from the workers: many records at once, all acknowledged before anything is built on them."""

import asyncio
import time
import zlib
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from aiokafka.errors import KafkaError

from runtime.broker.login import check_login
from runtime.broker.producer import start_producer
from runtime.errors import UserError
from runtime.record import Publication
from runtime.settings import KafkaSettings

__all__ = ["PublishError", "Publisher"]

_MAX_BATCH_BYTES = 900 * 1024
_MAX_REQUEST_BYTES = 1024 * 1024


class PublishError(UserError):
    """Records that the broker did not take."""


class Publisher:
    """A producer that writes whole record batches.

    It is not idempotent, and need not be: a retry keeps the order within a partition, and whoever reads these topics knows
    a record by its source or takes the latest of its key. (aiokafka asks for producer ids in a form so old that the embedded
    broker refuses it.)

    A key's partition is its CRC-32 over the number of partitions, on every topic that the workers write. Awaiting each
    single record costs more than folding it, so records are packed here and each batch is awaited once.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._partitions: dict[str, int] = {}
        self._producer: Any = None

    async def __aenter__(self) -> "Publisher":
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connects; raises KafkaError, or BrokerTlsError where certificates are the reason."""
        await asyncio.to_thread(check_login, self._kafka)
        self._producer = await start_producer(
            self._kafka, acks="all", max_batch_size=_MAX_BATCH_BYTES, max_request_size=_MAX_REQUEST_BYTES
        )

    async def stop(self) -> None:
        """Closes the connection; every `publish` has ended by then."""
        if self._producer is not None:
            await self._producer.stop()

    async def publish(self, publications: Sequence[Publication]) -> None:
        """Returns when the broker has acknowledged every record.

        Raises:
            PublishError: at least one was not taken; others may have been.
        """
        try:
            await asyncio.gather(*[await self._send(*part) for part in await self._packed(publications)])
        except KafkaError as error:
            raise PublishError(
                f"{self._kafka.bootstrap_servers} did not take {len(publications)} records: {error!r}. Check that the broker "
                "runs and has room; what was read is read again at the next start"
            ) from error

    async def _send(self, topic: str, partition: int, batch: Any) -> "asyncio.Future[object]":
        future: asyncio.Future[object] = await self._producer.send_batch(batch, topic, partition=partition)
        return future

    async def _packed(self, publications: Sequence[Publication]) -> list[tuple[str, int, Any]]:
        now_ms = int(time.time() * 1000)
        open_batches: dict[tuple[str, int], Any] = {}
        packed: list[tuple[str, int, Any]] = []
        for topic, key, value in publications:
            where = topic, zlib.crc32(key) % await self._count(topic)
            batch = open_batches.get(where)
            if batch is None or batch.append(timestamp=now_ms, key=key, value=value) is None:
                batch = open_batches[where] = self._producer.create_batch()
                packed.append((*where, batch))
                if batch.append(timestamp=now_ms, key=key, value=value) is None:
                    size = len(value or b"")
                    raise PublishError(f"a record of {size} bytes for {topic} does not fit a batch of {_MAX_BATCH_BYTES} bytes")
        return packed

    async def _count(self, topic: str) -> int:
        if topic not in self._partitions:
            self._partitions[topic] = len(await self._producer.partitions_for(topic))
        return self._partitions[topic]
