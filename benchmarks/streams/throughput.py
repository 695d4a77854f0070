"""Rate of the features worker over a backlog of events, beside Faust and Kafka without it, and of two workers."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from benchmarks.streams.plant import Plant, WorkerProcess, vocabulary
from benchmarks.streams.workload import publications
from runtime.record import Publication

__all__ = ["Drained", "drain", "measure", "measure_two", "rate"]

_EVENTS, _ROUNDS = 40_000, 3
_DRAIN_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Drained:
    """How a backlog was finished."""

    events_per_s: float
    cpu_us: Mapping[str, float]
    """CPU time an event, in microseconds, of broker, Redis and workers."""


def measure(say: Callable[[str], None], *, count: int = _EVENTS, rounds: int = _ROUNDS) -> dict[str, Any]:
    """Medians over rounds; in each, all rates are of the same events. The side figures, of which no ratio is made, are of one."""
    served, bare = (publications(vocabulary(), count, served=served) for served in (True, False))
    found: dict[str, list[float]] = {}

    def add(name: str, rate: float) -> None:
        found.setdefault(name, []).append(rate)
        say(f"{name}: {rate:,.0f} events/s")

    for _ in range(rounds):
        with Plant() as plant:
            plant.publish(served)
            for floor in ("getmany", "noop"):
                command = ["-m", "benchmarks.streams.floors", floor, plant.kafka.bootstrap_servers, str(count)]
                add(floor, float(plant.run(floor, command)))
            add("redis", drain(plant, plant.start_workers(), count).events_per_s)
    add("sqlite", rate("sqlite", served))
    add("redis_assembling", rate("redis", bare))
    return {
        "events": count,
        "bytes_an_event": sum(len(one.value or b"") for one in served) / count,
        "ratio_to_noop": median(one / floor for one, floor in zip(found["redis"], found["noop"], strict=True)),
        "events_per_s": {name: median(rates) for name, rates in found.items()},
        "rounds": found,
    }


def measure_two(say: Callable[[str], None], *, count: int = _EVENTS, rounds: int = 1) -> dict[str, Any]:
    """The same backlog handled by two workers that share the partitions, beside one."""
    served = publications(vocabulary(), count, served=True)
    found: dict[str, list[float]] = {"one": [], "two": []}
    for _ in range(rounds):
        for workers, rates in enumerate(found.values(), start=1):
            rates.append(rate("redis", served, workers=workers))
            say(f"{workers} at work: {rates[-1]:,.0f} events/s")
    return {
        "events": count,
        "events_per_s": {name: median(rates) for name, rates in found.items()},
        "ratio_of_two_to_one": median(two / one for one, two in zip(found["one"], found["two"], strict=True)),
        "rounds": found,
    }


def rate(store: Literal["redis", "sqlite"], records: Sequence[Publication], *, workers: int = 1) -> float:
    """Events/s at which so many workers finish a backlog of these records."""
    with Plant(store=store) as plant:
        running = plant.start_workers(workers)
        plant.publish(records)
        return drain(plant, running, len(records)).events_per_s


def drain(plant: Plant, workers: Sequence[WorkerProcess], count: int) -> Drained:
    """Waits for events of which both rows, the user's and the item's, are written; from when a tenth is done until all are."""
    warm, began, spent = 0.0, 0.0, plant.cpu_seconds()
    deadline = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < deadline:
        readings = [worker.read() for worker in workers]
        now = time.perf_counter()
        done = min(
            sum(reading.total(f"headwater_{what}_folded_total") for reading in readings) for what in ("events", "item_actions")
        )
        if not warm and done >= count // 10:
            warm, began, spent = done, now, plant.cpu_seconds()
        if done >= count:
            events = done - warm
            cpu = {name: 1e6 * (seconds - spent[name]) / events for name, seconds in plant.cpu_seconds().items()}
            return Drained(events_per_s=events / (now - began), cpu_us=cpu)
        time.sleep(0.1)
    raise TimeoutError(f"the workers did not finish {count} events in {_DRAIN_SECONDS:.0f} s")
