"""Cost of swapping in a new model while requests are in flight."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.serving.deployment import Deployment
from benchmarks.serving.latency import degradations, summary
from benchmarks.serving.load import LoadClient, Seen
from headwater.v1.recommender_pb2 import ScoreResponse

__all__ = ["measure_swaps"]

_RPS, _CANDIDATES, _REQUESTS = 100.0, 100, 1_000
_EVERY_SECONDS, _POLL_SECONDS = 1.0, 0.2
_WARM_SECONDS, _SECONDS = 10.0, 8.0  # the server loads its encoder after it has begun to answer


def measure_swaps(deployment: Deployment, client: LoadClient, say: Callable[[str], None]) -> dict[str, Any]:
    """`Score` of 100 candidates at 100 requests/s, without a new snapshot and with one a second.

    Raises:
        RuntimeError: no new snapshot took over.
    """
    requests = deployment.world.score_requests(_CANDIDATES, _REQUESTS)
    with deployment.server("redis", snapshot_poll_seconds=_POLL_SECONDS) as server:
        client.offer(server.address, requests, rps=_RPS, seconds=_WARM_SECONDS)
        say("one model")
        calm = client.offer(server.address, requests, rps=_RPS, seconds=_SECONDS)
        say(f"a new one every {_EVERY_SECONDS:g} s")
        with _publishing(deployment):
            swapped = client.offer(server.address, requests, rps=_RPS, seconds=_SECONDS)
    swaps = len({ScoreResponse.FromString(answer).info.model_version for answer in swapped.answers}) - 1
    if not swaps:
        raise RuntimeError("no new snapshot took over while requests were under way; the machine may be too busy to measure")
    return {"offered_rps": _RPS, "swaps": swaps, "calm": _seen(calm), "swapped": _seen(swapped)}


def _seen(seen: Seen) -> dict[str, Any]:
    failed = sum(len(held) for status, held in seen.latencies.items() if status != "OK")
    return {**summary(seen), "failed": failed, "degradations": degradations(seen.answers)}


@contextmanager
def _publishing(deployment: Deployment) -> Iterator[None]:
    """A new snapshot again and again, as long as the block runs."""
    done = threading.Event()

    def publish() -> None:
        while not done.wait(_EVERY_SECONDS):
            deployment.publish()

    publisher = threading.Thread(target=publish, name="publisher")
    publisher.start()
    try:
        yield
    finally:
        done.set()
        publisher.join()
