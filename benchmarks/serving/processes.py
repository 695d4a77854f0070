"""Gain from a second server process on the same port."""

from collections.abc import Callable
from typing import Any

from benchmarks.serving.deployment import Deployment
from benchmarks.serving.latency import checked
from benchmarks.serving.load import LoadClient, quantile

__all__ = ["measure_processes"]

_PROCESSES = (1, 2)
_CANDIDATES, _REQUESTS = 500, 1_000
_CONNECTIONS = _IN_FLIGHT = 8  # the kernel deals connections out to processes, so there must be some
_WARM_SECONDS, _SECONDS = 6.0, 6.0
_WAITING = {
    "store_timeout_seconds": 2.0,  # with every core taken, a read may wait its turn for longer than usual
}


def measure_processes(deployment: Deployment, client: LoadClient, say: Callable[[str], None]) -> dict[str, Any]:
    """`Score` of 500 candidates with 8 always in flight over 8 connections, with one server process and with two."""
    requests = deployment.world.score_requests(_CANDIDATES, _REQUESTS)
    found: dict[str, Any] = {"candidates": _CANDIDATES, "in_flight": _IN_FLIGHT, "processes": {}}
    for processes in _PROCESSES:
        say(f"{processes}")
        with deployment.server("redis", processes=processes, **_WAITING) as server:
            for seconds in (_WARM_SECONDS, _SECONDS):
                seen = client.keep(server.address, requests, in_flight=_IN_FLIGHT, seconds=seconds, connections=_CONNECTIONS)
        answered = checked(seen).answered
        found["processes"][str(processes)] = {
            "answered_rps": len(answered) / seen.seconds,
            "p50_s": quantile(answered, 0.5),
            "p99_s": quantile(answered, 0.99),
        }
    return found
