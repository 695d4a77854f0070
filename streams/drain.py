"""Owns the thread that moves spooled records to the broker: in order, again and again until it takes them."""

import random
import threading
from collections.abc import Callable, Sequence

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from streams.spool import Spool, Spooled

__all__ = ["Drain"]

_log = structlog.get_logger(__name__)
_TOGETHER = 1000
_ANSWER_SECONDS = 60.0
_RETRY_SECONDS = (0.5, 10.0)  # the first pause and the longest


class Drain:
    """Sends the oldest records, waits for the answer to each, and goes on from the first that has none.

    A record leaves the spool only once the broker has it. So one may be sent twice, after an answer that was lost; its id
    makes that count once. One that no broker would take (it is too large) is given up and reported, or it would hold up all
    others for ever.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        connect: Callable[[], KafkaProducer],
        taken: Callable[[int], None],
        failed: Callable[[str, BaseException], None],
    ) -> None:
        """Args: `connect` makes a client or raises KafkaError; `taken(count)` and `failed(key, error)` hear what became of records."""
        self._spool, self._connect, self._taken, self._failed = spool, connect, taken, failed
        self._client: KafkaProducer | None = None
        self._waiting = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-drain", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Says that the spool holds something."""
        self._waiting.set()

    def stop(self, seconds: float) -> None:
        """Ends after the records under way, `seconds` at most; what is left stays in the spool."""
        self._stopping.set()
        self.wake()
        self._thread.join(seconds)
        self._disconnect()

    def _run(self) -> None:
        pause = _RETRY_SECONDS[0]
        while not self._stopping.is_set():
            self._waiting.clear()
            records = self._spool.head(_TOGETHER)
            if not records:
                self._waiting.wait()
                continue
            try:
                self._send(records)
                pause = _RETRY_SECONDS[0]
            except KafkaError as error:
                _log.warning("broker_away", spooled=self._spool.records, error=str(error), retry_seconds=round(pause, 1))
                self._disconnect()  # an idempotent client that gave up a record may refuse all that follow
                self._stopping.wait(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _RETRY_SECONDS[1])

    def _send(self, records: Sequence[Spooled]) -> None:
        client = self._client = self._client or self._connect()
        done, taken = 0, 0
        try:
            futures = [self._queue(client, record) for record in records]
            for record, future in zip(records, futures, strict=True):
                try:
                    if isinstance(future, KafkaError):
                        raise future
                    future.get(timeout=_ANSWER_SECONDS)
                    taken += 1
                except MessageSizeTooLargeError as error:
                    self._failed(record.key.decode(errors="replace"), error)
                done = record.number
        finally:
            self._spool.remove(done)
            self._taken(taken)

    @staticmethod
    def _queue(client: KafkaProducer, record: Spooled) -> object:
        try:
            return client.send(record.topic, key=record.key, value=record.value)
        except MessageSizeTooLargeError as error:
            return error

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close(timeout=1.0)
            self._client = None
