"""Start and end of an aiokafka producer: neither leaves a connection behind, nor waits for an unreachable broker."""

import asyncio
import traceback
from contextlib import suppress
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerClosed, TopicAuthorizationFailedError

from runtime.settings import KafkaSettings

__all__ = ["may_pass", "start_producer", "stop_producer"]


async def start_producer(kafka: KafkaSettings, **options: object) -> Any:
    """An AIOKafkaProducer that is connected; its caller stops it. `options` are those of its constructor.

    Raises:
        KafkaError: no broker answered, or the settings of the login are incomplete.
    """
    producer = AIOKafkaProducer(compression_type=kafka.compression_type, **options, **kafka.aiokafka_options())
    try:
        await producer.start()
    except BaseException as error:  # CancelledError is none of Exception
        _close_first_connection(error)
        await producer.stop()
        raise
    return producer


async def stop_producer(producer: Any, seconds: float) -> None:
    """Ends once what was given to it is acknowledged or has failed, or after `seconds`: what is left then is not sent."""
    sender, client = producer._sender, producer.client
    if seconds > 0.0:
        with suppress(TimeoutError):
            await asyncio.wait_for(producer.stop(), seconds)
            return
    # aiokafka's `stop` waits for as long as an unreachable broker takes to answer, and leaves all open when it is cancelled.
    producer._closed = True
    if sender.sender_task is not None:
        sender.sender_task.cancel()
    await client.close()  # requests under way fail by that
    if sender.sender_task is not None:
        await asyncio.wait([sender.sender_task])
    accumulator = producer._message_accumulator
    accumulator._exception = ProducerClosed()  # what a `send` of now or later gets
    for batch in [*chain(*accumulator._batches.values()), *accumulator._pending_batches]:
        batch.failure(ProducerClosed())
        for future in (batch.future, batch._drain_waiter):
            future.exception()  # asyncio would log those that nobody asks for


def may_pass(error: KafkaError) -> bool:
    """Whether the broker may take the same records later."""
    return bool(error.retriable) or isinstance(error, (KafkaTimeoutError, ProducerClosed, TopicAuthorizationFailedError))


def _close_first_connection(error: BaseException) -> None:
    """Closes the connection over which aiokafka 0.14 asks for the cluster's nodes, if it was cancelled just then.

    It keeps that connection in a local variable until the response is there, and closes it on no other errors than its own, so
    that only the traceback still leads to it.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        connection = frame.f_locals.get("bootstrap_conn")
        if isinstance(connection, AIOKafkaConnection):
            connection.close()
