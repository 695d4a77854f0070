"""Start of an aiokafka producer that leaves no connection behind where it fails or is cancelled."""

import traceback
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection

from runtime.settings import KafkaSettings

__all__ = ["start_producer"]


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


def _close_first_connection(error: BaseException) -> None:
    """Closes the connection over which aiokafka 0.14 asks for the cluster's nodes, if it was cancelled just then.

    It keeps that connection in a local variable until the response is there, and closes it on no other errors than its own, so
    that only the traceback still leads to it.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        connection = frame.f_locals.get("bootstrap_conn")
        if isinstance(connection, AIOKafkaConnection):
            connection.close()
