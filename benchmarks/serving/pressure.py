"""Overload: the server's capacity, and its latency at multiples of that."""

from collections.abc import Callable
from typing import Any

from benchmarks.serving.deployment import Deployment
from benchmarks.serving.latency import checked, summary
from benchmarks.serving.load import LoadClient, quantile

__all__ = ["FACTORS", "measure_pressure"]

FACTORS = (0.5, 1.0, 2.0, 4.0)
_CANDIDATES, _REQUESTS = 100, 1_000
_IN_FLIGHT, _CAPACITY_SECONDS, _WARM_SECONDS = 4, 8.0, 12.0  # the server loads its encoder after it has begun to answer
_SECONDS, _DEADLINE_SECONDS = 6.0, 1.0


def measure_pressure(deployment: Deployment, client: LoadClient, say: Callable[[str], None]) -> dict[str, Any]:
    """Capacity is how many `Score` of 100 candidates a second come back with 4 always in flight; then multiples are offered."""
    requests = deployment.world.score_requests(_CANDIDATES, _REQUESTS)
    with deployment.server("redis") as server:
        say("capacity")
        client.keep(server.address, requests, in_flight=_IN_FLIGHT, seconds=_WARM_SECONDS)
        full = checked(client.keep(server.address, requests, in_flight=_IN_FLIGHT, seconds=_CAPACITY_SECONDS))
        capacity = len(full.answered) / full.seconds
        found: dict[str, Any] = {"candidates": _CANDIDATES, "in_flight": _IN_FLIGHT, "capacity_rps": capacity, "offered": {}}
        for factor in FACTORS:
            say(f"{factor:g} times {capacity:.0f}/s")
            seen = client.offer(server.address, requests, rps=factor * capacity, seconds=_SECONDS, timeout=_DEADLINE_SECONDS)
            refused = seen.latencies.get("RESOURCE_EXHAUSTED", [])
            found["offered"][f"{factor:g}"] = {
                "offered_rps": factor * capacity,
                **summary(seen),
                "refused_rps": len(refused) / seen.seconds,
                "refusal_p99_s": quantile(refused, 0.99),
            }
    return found
