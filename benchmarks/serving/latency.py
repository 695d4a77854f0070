"""Latency of `Score` at an offered rate, beside the plain way over the same store and the floor of bare parts."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.serving import echo
from benchmarks.serving.deployment import Deployment, Store
from benchmarks.serving.floor import matrix_seconds
from benchmarks.serving.load import LoadClient, Seen, quantile
from benchmarks.serving.plain import PlainPath
from headwater.v1.recommender_pb2 import Degradation, ScoreRequest, ScoreResponse

__all__ = ["checked", "degradations", "measure_floor", "measure_latency", "measure_plain", "summary"]

_OFFERED = {"score_100": (100, 200.0), "score_500": (500, 200.0), "score_500_at_50": (500, 50.0)}  # candidates, requests/s
_SERVERS: dict[str, tuple[Store, int]] = {"redis": ("redis", 1), "redis_two": ("redis", 2), "sqlite": ("sqlite", 1)}
_CONNECTIONS = 8
_ECHO_RPS = 200.0
_ROUNDS, _SECONDS, _WARM_SECONDS = 3, 5.0, 3.0
_REQUESTS = 1_000


def measure_latency(deployment: Deployment, client: LoadClient, say: Callable[[str], None]) -> dict[str, Any]:
    """`Score` of 100 and of 500 candidates on each store, at an offered rate: the median round of three, by its p99."""
    found: dict[str, Any] = {}
    for servers, (store, processes) in _SERVERS.items():
        found[servers] = {}
        with deployment.server(store, processes=processes) as server:
            for name, (candidates, rps) in _OFFERED.items():
                say(f"{candidates} candidates at {rps:g}/s, {servers}")
                requests = deployment.world.score_requests(candidates, _REQUESTS)
                # The kernel deals connections out to processes, so each needs several.
                offer = partial(client.offer, server.address, requests, rps=rps, connections=_CONNECTIONS if processes > 1 else 1)
                offer(seconds=_WARM_SECONDS)
                rounds = [summary(checked(offer(seconds=_SECONDS))) for _ in range(_ROUNDS)]
                rounds.sort(key=lambda one: float(one["p99_s"]))
                middle = rounds[_ROUNDS // 2]
                found[servers][name] = {
                    "candidates": candidates,
                    "offered_rps": rps,
                    **middle,
                    "p99_s_of_rounds": [one["p99_s"] for one in rounds],
                }
    return found


def measure_plain(deployment: Deployment, client: LoadClient, say: Callable[[str], None]) -> dict[str, Any]:
    """The plain way with 500 candidates on Redis, in turns with Headwater over gRPC, one request at a time each."""
    candidates, rounds, calls = 500, 5, 8
    requests = deployment.world.score_requests(candidates, 50)
    asked = [ScoreRequest.FromString(request) for request in requests]
    ways = {
        "plain": PlainPath(deployment.world, deployment.stores["redis"], held_vectors=False),
        "plain_held_vectors": PlainPath(deployment.world, deployment.stores["redis"], held_vectors=True),
    }
    seconds: dict[str, list[float]] = {"headwater": [], **{name: [] for name in ways}}
    with deployment.server("redis") as server:
        client.keep(server.address, requests, in_flight=1, seconds=_WARM_SECONDS)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            for name, way in ways.items():
                for one in asked[number * calls : (number + 1) * calls]:
                    began = time.perf_counter()
                    way.score(one.user_id, list(one.item_ids))
                    seconds[name].append(time.perf_counter() - began)
            seconds["headwater"] += checked(client.keep(server.address, requests, in_flight=1, seconds=1.0)).answered
    own = quantile(seconds["headwater"], 0.5)
    return {
        "candidates": candidates,
        "headwater_p50_s": own,
        **{
            name: {
                "p50_s": quantile(seconds[name], 0.5),
                "p99_s": quantile(seconds[name], 0.99),
                "ratio": quantile(seconds[name], 0.5) / own,
            }
            for name in ways
        },
    }


def measure_floor(deployment: Deployment, client: LoadClient, say: Callable[[str], None]) -> dict[str, Any]:
    """What no answer can be below: a bare echo over gRPC, empty and of an answer's size, and the bare matrix work."""
    say("echo and matrices")
    with deployment.server("redis") as server:
        (request,) = deployment.world.score_requests(500, 1)
        answer = client.keep(server.address, [request], in_flight=1, seconds=0.1).answers[0]
    with deployment.echo() as address:
        client.keep(address, [b""], in_flight=1, seconds=1.0, method=echo.METHOD)
        empty = client.keep(address, [b""], in_flight=1, seconds=3.0, method=echo.METHOD)
        sized = client.keep(address, [answer], in_flight=1, seconds=3.0, method=echo.METHOD)
        offered = client.offer(address, [b""], rps=_ECHO_RPS, seconds=5.0, method=echo.METHOD)
    return {
        "echo_p50_s": quantile(empty.answered, 0.5),
        "echo_answer_500_p50_s": quantile(sized.answered, 0.5),
        "answer_500_bytes": len(answer),
        "echo_offered": {"offered_rps": _ECHO_RPS, **summary(offered)},
        "matmul_100_s": matrix_seconds(deployment.world, 100),
        "matmul_500_s": matrix_seconds(deployment.world, 500),
    }


def summary(seen: Seen) -> dict[str, Any]:
    """The figures of one run, latencies those of what was answered; times in seconds."""
    return {
        "p50_s": quantile(seen.answered, 0.5),
        "p99_s": quantile(seen.answered, 0.99),
        "max_s": quantile(seen.answered, 1.0),
        "answered_rps": len(seen.answered) / seen.seconds,
        "statuses": seen.statuses(),
        "client_lateness_p99_s": quantile(seen.lateness, 0.99),
    }


def checked(seen: Seen) -> Seen:
    """The same, unless an answer was degraded: its latency would say nothing.

    Raises:
        RuntimeError: one was, or there were none.
    """
    if not seen.answered:
        raise RuntimeError(f"nothing was answered: {seen.statuses()}")
    if flags := degradations(seen.answers):
        raise RuntimeError(f"answers were degraded: {flags}; the machine may be too busy to measure")
    return seen


def degradations(answers: Sequence[bytes]) -> list[str]:
    """Every reason that the answers give for being less than full ones, each once."""
    found = {one.reason for answer in answers for one in ScoreResponse.FromString(answer).info.degradations}
    return sorted(Degradation.Reason.Name(reason) for reason in found)
