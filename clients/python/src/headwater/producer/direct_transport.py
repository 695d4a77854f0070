"""Straight way of records to the broker: queued in memory, each with its own answer."""

import threading
from collections.abc import Callable
from functools import partial

from kafka import KafkaProducer
from kafka.errors import KafkaError

from headwater.producer.delivery_report import DeliveryCounter, DeliveryError, DeliveryReport

__all__ = ["DirectTransport"]

_MAX_IN_FLIGHT = 20_000  # kafka-python 3 bounds neither records nor bytes that wait


class DirectTransport:
    """Sends at once; safe for several threads.

    What the client finally gives up is known only from each record's own future, where kafka-python's flush says nothing.
    """

    def __init__(self, *, connect: Callable[[], KafkaProducer], give_up_seconds: float) -> None:
        """Raises what `connect` raises."""
        self._client = connect()
        self._timeout = give_up_seconds + 10.0
        self._slots = threading.BoundedSemaphore(_MAX_IN_FLIGHT)
        self._lock = threading.Lock()
        self._sent = 0
        self._counter = DeliveryCounter()

    def put(self, topic: str, key: bytes, value: bytes) -> None:
        """Queues a record; waits while too many are under way. Raises KafkaError."""
        self._slots.acquire()
        try:
            future = self._client.send(topic, key=key, value=value)
        except BaseException:
            self._slots.release()
            raise
        with self._lock:
            self._sent += 1
        future.add_callback(self._on_success)
        future.add_errback(partial(self._on_failure, key))

    def flush(self) -> DeliveryReport:
        """Waits for the answer to every record put so far; raises DeliveryError if some stay without one."""
        with self._lock:
            sent = self._sent
        try:
            self._client.flush(timeout=self._timeout)
        except KafkaError as error:
            raise DeliveryError(f"the broker did not answer for all records within {self._timeout:.0f} s: {error}") from error
        answered = self._counter.wait_for(sent, self._timeout)
        report = self._counter.report()
        if not answered:
            waiting = sent - report.acknowledged - report.failed
            raise DeliveryError(f"{waiting} records are still unanswered after {self._timeout:.0f} s: check that the broker runs")
        return report

    def close(self) -> None:
        """Closes the connection; what is not flushed may be lost."""
        self._client.close(timeout=10.0)

    def _on_success(self, _: object) -> None:
        self._slots.release()
        self._counter.take()

    def _on_failure(self, key: bytes, error: BaseException) -> None:
        self._slots.release()
        self._counter.fail(key, error)
