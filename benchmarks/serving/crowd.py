"""Crowds: what a server answers of so many clients that each ask again as soon as they have an answer or a refusal."""

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.serving.deployment import Deployment
from benchmarks.serving.load import LoadClient, quantile
from headwater.v1 import recommender_pb2 as pb

__all__ = ["measure_crowd"]

_CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_CANDIDATES, _REQUESTS, _COUNT = 100, 1_000, 10
_SECONDS, _WARM_SECONDS, _DEADLINE_SECONDS = 5.0, 10.0, 1.0
_CONNECTIONS = 16
_LIST = "/headwater.v1.RecommenderService/Recommend"


def measure_crowd(deployment: Deployment, client: LoadClient, say: Callable[[str], None]) -> dict[str, Any]:
    """Answers and refusals a second by the number of clients, each with a second for every answer; `Score` and `Recommend`."""
    score = deployment.world.score_requests(_CANDIDATES, _REQUESTS)
    users = (pb.ScoreRequest.FromString(request).user_id for request in score)
    lists = [
        pb.RecommendRequest(user_id=user, list=pb.ListSpec(count=_COUNT), preview=True).SerializeToString() for user in users
    ]
    found: dict[str, Any] = {"candidates": _CANDIDATES, "count": _COUNT, "deadline_s": _DEADLINE_SECONDS}
    with deployment.server("redis") as server:
        client.keep(server.address, score, in_flight=4, seconds=_WARM_SECONDS)
        ways: dict[str, tuple[Sequence[bytes], dict[str, Any]]] = {"score": (score, {}), "recommend": (lists, {"method": _LIST})}
        for name, (requests, way) in ways.items():
            found[name] = {}
            for clients in _CLIENTS:
                say(f"{name}, {clients} clients")
                connections = min(clients, _CONNECTIONS)
                seen = client.keep(
                    server.address,
                    requests,
                    in_flight=clients,
                    seconds=_SECONDS,
                    timeout=_DEADLINE_SECONDS,
                    connections=connections,
                    **way,
                )
                found[name][str(clients)] = {
                    "answered_rps": len(seen.answered) / seen.seconds,
                    "p50_s": quantile(seen.answered, 0.5),
                    "p99_s": quantile(seen.answered, 0.99),
                    "statuses": seen.statuses(),
                }
    return found
