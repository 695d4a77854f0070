"""A producer that fails or is cancelled while it starts: nothing of it stays open."""

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from runtime.broker.producer import start_producer
from runtime.publisher import Publisher
from runtime.settings import KafkaSettings
from tests.gateway import Gateway


@contextmanager
def nothing_left_open() -> Iterator[None]:
    """Fails where an object was dropped that should have been closed."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(one.message) for one in said if one.category is ResourceWarning] == []


@pytest.mark.parametrize(
    ("start", "responses"),
    [(start_producer, 0), (start_producer, 1), (lambda kafka: Publisher(kafka).start(), 1)],
    ids=["greeting", "nodes", "publisher"],
)
async def test_a_start_that_is_cancelled_closes_its_connection(
    broker: KafkaSettings, start: Callable[[KafkaSettings], Awaitable[Any]], responses: int
) -> None:
    """Whichever response it waits for: that to its greeting, or that with the cluster's nodes."""
    gateway = Gateway(broker, responses)
    async with gateway.opened() as kafka:
        with nothing_left_open():
            starting = asyncio.ensure_future(start(kafka))
            await asyncio.wait_for(gateway.held.wait(), 30.0)
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
            await asyncio.wait_for(gateway.closed.wait(), 30.0)


async def test_a_start_that_fails_leaves_nothing_open() -> None:
    """Nothing listens there, so no connection can be made."""
    with nothing_left_open(), pytest.raises(Exception, match="Unable to bootstrap"):
        await start_producer(KafkaSettings(bootstrap_servers="127.0.0.1:1"))
