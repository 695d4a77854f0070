"""Cost of a response by the number of candidates scored."""

from collections.abc import Callable
from typing import Any

from benchmarks.serving.deployment import Deployment
from benchmarks.serving.latency import checked
from benchmarks.serving.load import LoadClient, quantile

__all__ = ["measure_candidates"]

_CANDIDATES = (10, 30, 100, 300, 1_000, 3_000, 10_000)
_WARM_SECONDS = 8.0  # the server loads its encoder after it has begun to answer


def measure_candidates(deployment: Deployment, client: LoadClient, say: Callable[[str], None]) -> dict[str, Any]:
    """`Score` of 10 to 10,000 candidates over gRPC, one request at a time."""
    found: dict[str, Any] = {}
    with deployment.server("redis", max_candidates=max(_CANDIDATES)) as server:
        client.keep(server.address, deployment.world.score_requests(100, 50), in_flight=1, seconds=_WARM_SECONDS)
        for candidates in _CANDIDATES:
            say(f"{candidates:,}")
            requests = deployment.world.score_requests(candidates, 50)
            client.keep(server.address, requests, in_flight=1, seconds=1.0)
            seen = checked(client.keep(server.address, requests, in_flight=1, seconds=3.0))
            p50 = quantile(seen.answered, 0.5)
            found[str(candidates)] = {
                "p50_s": p50,
                "p99_s": quantile(seen.answered, 0.99),
                "p50_s_per_candidate": p50 / candidates,
            }
    return {"sizes": found}
