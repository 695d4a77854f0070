"""Rate and latency of the features worker on Apache Kafka, beside the embedded broker and a no-op agent on the same one."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Literal

from benchmarks.streams.latency import measure_at
from benchmarks.streams.plant import Plant, vocabulary
from benchmarks.streams.throughput import drain
from benchmarks.streams.workload import publications
from runtime.record import Publication

__all__ = ["BROKERS", "measure"]

Broker = Literal["embedded", "kafka"]
BROKERS: Mapping[Broker, str] = {"embedded": "embedded broker", "kafka": "Apache Kafka"}
_EVENTS, _ROUNDS, _SECONDS, _RATE = 40_000, 3, 30.0, 500


def measure(
    say: Callable[[str], None], *, count: int = _EVENTS, rounds: int = _ROUNDS, seconds: float = _SECONDS
) -> dict[str, Any]:
    """Medians over rounds, in each of which both brokers have the same events; the ratio is to the no-op agent of the same round.

    Raises:
        KafkaMissingError: Apache Kafka is not here.
    """
    served = publications(vocabulary(), count, served=True)
    found: dict[Broker, list[dict[str, Any]]] = {"kafka": [], "embedded": []}
    for _ in range(rounds):
        for broker, rates in found.items():
            rates.append(_round(broker, served))
            say(f"{broker}: worker {rates[-1]['worker']:,.0f} of {rates[-1]['noop']:,.0f} events/s")
    return {
        "events": count,
        "rounds": found,
        "brokers": {
            broker: {
                "worker_events_per_s": median(one["worker"] for one in rates),
                "noop_events_per_s": median(one["noop"] for one in rates),
                "ratio_to_noop": median(one["worker"] / one["noop"] for one in rates),
                "cpu_us": {part: median(one["cpu_us"][part] for one in rates) for part in rates[0]["cpu_us"]},
                f"at_{_RATE}_per_s": measure_at(_RATE, say, seconds=seconds, broker=broker),
            }
            for broker, rates in found.items()
        },
    }


def _round(broker: Broker, records: Sequence[Publication]) -> dict[str, Any]:
    with Plant(broker=broker) as plant:
        plant.publish(records)
        command = ["-m", "benchmarks.streams.floors", "noop", plant.kafka.bootstrap_servers, str(len(records))]
        noop = float(plant.run("noop", command))
        drained = drain(plant, plant.start_workers(), len(records))
    return {"noop": noop, "worker": drained.events_per_s, "cpu_us": dict(drained.cpu_us)}
