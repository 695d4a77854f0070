"""Way of records over the disk to the broker: in order, again and again until it takes them."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from headwater.producer.delivery_report import DeliveryCounter, DeliveryReport
from headwater.producer.spool import Spool, Spooled, SpoolError

__all__ = ["SpooledTransport"]

_log = logging.getLogger(__name__)
_TOGETHER = 1000
_ANSWER_SECONDS = 60.0
_LOOK_SECONDS = 0.01
_RETRY_SECONDS = (0.5, 10.0)  # the first pause and the longest


class SpooledTransport:
    """Puts records into the spool; a thread sends the oldest, waits for each answer, and goes on from the first without one.

    A record leaves the spool only once the broker has it. So one may be sent twice, after an answer that was lost; its id
    makes that count once. One that no broker would take (it is too large) is given up and reported, or it would hold up all
    others forever.
    """

    def __init__(self, spool: Spool, *, connect: Callable[[], KafkaProducer], give_up_seconds: float) -> None:
        """Args: `connect` makes a client or raises KafkaError; `flush` waits for `give_up_seconds` at most."""
        self._spool, self._connect, self._give_up = spool, connect, give_up_seconds
        self._client: KafkaProducer | None = None
        self._counter = DeliveryCounter()
        self._work, self._stopping = threading.Event(), threading.Event()
        self._work.set()  # what the last process left
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def put(self, topic: str, key: bytes, value: bytes) -> None:
        """Puts a record behind all others on disk; raises SpoolError."""
        self._spool.append(topic, key, value)
        self._work.set()

    def flush(self) -> DeliveryReport:
        """Waits until the spool is empty, or as long as it may; what is left then is no failure."""
        deadline = time.monotonic() + self._give_up
        while self._spool.records and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return self._counter.report(spooled=self._spool.records)

    def close(self) -> None:
        """Ends after the records under way; what is left stays on disk."""
        self._stopping.set()
        self._work.set()
        self._thread.join(10.0)
        self._disconnect()  # what still waits for an answer fails by that
        self._thread.join(5.0)
        self._spool.close()

    def _run(self) -> None:
        pause = _RETRY_SECONDS[0]
        while not self._stopping.is_set():
            self._work.clear()
            records = self._spool.head(_TOGETHER)
            if not records:
                self._work.wait()
                continue
            try:
                self._send(records)
                pause = _RETRY_SECONDS[0]
            except (KafkaError, SpoolError) as error:
                _log.warning("%d spooled records wait: %s; next attempt within %.1f s", self._spool.records, error, pause)
                self._disconnect()  # an idempotent client that gave up one record may refuse all that follow
                self._stopping.wait(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _RETRY_SECONDS[1])

    def _send(self, records: Sequence[Spooled]) -> None:
        client = self._client = self._client or self._connect()
        taken, through = 0, 0
        try:
            for record, queued in [(record, _queue(client, record)) for record in records]:
                try:
                    if isinstance(queued, KafkaError):
                        raise queued
                    queued.get(timeout=_ANSWER_SECONDS)
                    taken += 1
                except MessageSizeTooLargeError as error:
                    self._counter.fail(record.key, error)
                through = record.number
        finally:
            self._spool.remove(through)
            self._counter.take(taken)

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.close(timeout=1.0)
        except KafkaTimeoutError:
            # Raised before the sender is stopped: left alone, it would send what it holds behind our back, and out of order.
            client._sender.force_close()


def _queue(client: KafkaProducer, record: Spooled) -> Any:
    """The record's future, or the error with which the client refused it: records behind it are sent all the same."""
    try:
        return client.send(record.topic, key=record.key, value=record.value)
    except MessageSizeTooLargeError as error:
        return error
