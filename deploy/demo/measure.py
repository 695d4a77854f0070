"""Client-side measurements of the demo: latency of Score, and the time until an event is served."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from deploy.observe.flow import FlowError
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2 import ScoreRequest
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub

__all__ = ["event_to_served", "percentiles", "score_latency"]

_DEADLINE_SECONDS = 5.0
_POLL_SECONDS = 0.002
_ROUNDING_NS = 10_000  # rows keep times as 64-bit floats


def score_latency(stub: RecommenderServiceStub, users: Sequence[str], items: Sequence[str], *, calls: int) -> list[float]:
    """Seconds of each of `calls` Score requests of all `items`, one at a time, for the users in turn."""
    seconds = []
    for call in range(-5, calls):  # the first five warm the connection and are left out
        request = ScoreRequest(user_id=users[call % len(users)], item_ids=items)
        began = time.perf_counter()
        stub.Score(request, timeout=_DEADLINE_SECONDS)
        if call >= 0:
            seconds.append(time.perf_counter() - began)
    return seconds


def event_to_served(
    stub: RecommenderServiceStub, publish: Callable[[Event], None], *, user_id: str, items: Sequence[str], probes: int
) -> list[float]:
    """Seconds from sending each of `probes` clicks until an answer counts it, as its features_as_of says.

    No task is labelled by a click, so the probes teach the heads nothing. Raises FlowError if one is not served in 30 s.
    """
    seconds = []
    for probe in range(probes):
        item = items[probe % len(items)]
        event = Event(event_id=f"probe-{time.time_ns()}", user_id=user_id, item_id=item)
        event.click.SetInParent()
        event.occurred_at.GetCurrentTime()
        due_ns = event.occurred_at.ToNanoseconds() - _ROUNDING_NS
        began = time.perf_counter()
        publish(event)
        request = ScoreRequest(user_id=user_id, item_ids=[item])
        while stub.Score(request, timeout=_DEADLINE_SECONDS).info.features_as_of.ToNanoseconds() < due_ns:
            if time.perf_counter() - began > 30.0:
                raise FlowError(f"event {event.event_id} was not in the features of {user_id} after 30 s")
            time.sleep(_POLL_SECONDS)
        seconds.append(time.perf_counter() - began)
    return seconds


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile, in seconds."""
    return {"p50_s": float(np.percentile(seconds, 50)), "p99_s": float(np.percentile(seconds, 99))}
