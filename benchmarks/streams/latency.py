"""Time from an event to the features that the server reads, at a given rate of other events."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np

from benchmarks.streams.plant import Plant, vocabulary
from benchmarks.streams.workload import events
from feature_repo.store import RowStore
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import EVENTS
from runtime.broker.event_producer import event_producer
from runtime.publisher import Publisher
from runtime.record import Publication

__all__ = ["measure", "measure_at"]

_RATES, _SECONDS, _WARM_SECONDS, _PROBES_PER_SECOND = (500, 2000), 30.0, 5.0, 20.0
_LATEST_SECONDS, _STEP_SECONDS, _LOOKED_FOR = 30.0, 0.02, 8


def measure(say: Callable[[str], None], *, seconds: float = _SECONDS) -> dict[str, Any]:
    """Seconds from sending an event to reading it in its user's row, at each rate offered to one worker on Redis.

    Probes are sent at fixed times, whether or not the last one has arrived: a pause of the worker delays all that come in it.
    """
    return {f"at_{rate}_per_s": measure_at(rate, say, seconds=seconds) for rate in _RATES}


def measure_at(
    rate: int, say: Callable[[str], None], *, seconds: float = _SECONDS, broker: Literal["embedded", "kafka"] = "embedded"
) -> dict[str, Any]:
    """The same at one rate of events per second."""
    # Encoded beforehand: producers run elsewhere, and the processor that they need should not count.
    records = _records(int(rate * (seconds + _WARM_SECONDS)), rate)
    with Plant(broker=broker) as plant:
        (worker,) = plant.start_workers()
        load = threading.Thread(target=_offer, args=(plant, records, rate))
        load.start()
        time.sleep(_WARM_SECONDS)
        waits = _probe(plant, seconds)
        load.join()
        folded = worker.read().total("headwater_events_folded_total")
    p50, p99 = (float(np.quantile(waits, q)) for q in (0.5, 0.99))
    say(f"{rate} events/s: p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms")
    return {"p50_s": p50, "p99_s": p99, "max_s": max(waits), "probes": len(waits), "folded": folded}


def _records(count: int, rate: int) -> list[Publication]:
    stream = events(vocabulary(), start=time.time(), per_second=rate, served=True)
    return [Publication(EVENTS.name, one.user_id.encode(), one.SerializeToString()) for one in islice(stream, count)]


def _offer(plant: Plant, records: Sequence[Publication], rate: int) -> None:
    """Sends each record at its time, those of a few milliseconds together."""
    step = int(rate * _STEP_SECONDS)

    async def send() -> None:
        async with Publisher(plant.kafka) as publisher:
            began = time.monotonic()
            for start in range(0, len(records), step):
                await asyncio.sleep(max(began + start / rate - time.monotonic(), 0.0))
                await publisher.publish(records[start : start + step])

    asyncio.run(send())


def _probe(plant: Plant, seconds: float) -> list[float]:
    """Sends clicks of users that nobody knows, each at its time, and looks for their rows until all are there."""
    store = RowStore(plant.store, vocabulary())
    count = int(seconds * _PROBES_PER_SECOND)
    waiting: dict[str, float] = {}
    waits: list[float] = []
    with event_producer(plant.kafka) as producer:
        began, sent = time.perf_counter(), 0
        while len(waits) < count:
            now = time.perf_counter()
            if sent < count and now >= (due := began + sent / _PROBES_PER_SECOND):
                click = Event(user_id=f"probe-{sent}", item_id="item-1")
                click.click.SetInParent()
                producer.send(click)
                waiting[click.user_id] = due
                sent += 1
            # The longest awaited ones: reading all of them when many wait would take the processor from who writes them.
            for user_id in store.read_users(list(islice(waiting, _LOOKED_FOR))):
                waits.append(time.perf_counter() - waiting.pop(user_id))
            if now > began + seconds + _LATEST_SECONDS:
                raise TimeoutError(f"{len(waiting)} of {sent} events were not in the features {_LATEST_SECONDS:.0f} s later")
            time.sleep(0.005)
    return waits
