"""Requests that are cheap to send and dear to work on: refused with a reason, at a cost near that of an ordinary request."""

import time
from collections.abc import Callable, Iterable

import grpc
import pytest
from google.protobuf.message import Message

from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from runtime.tracing import Traces
from serving.api.servicer import SERVICE
from serving.metrics import ServerMetrics
from tests.serving.stubs import serving
from tests.serving.worlds import World
from training.model import Recommender

_TIMES = 12.0  # an ordinary request's CPU time; converting before checking took a hundred to several thousand times as much
_LONGEST = 1000  # bytes of an error's text
_LONG = "x" * 20_000
_ITEMS = [f"i{number % 40}" for number in range(100)]
_SONGS = pb.Condition(field="type", any_of=["song"])


def score(**fields: object) -> pb.ScoreRequest:
    return pb.ScoreRequest(**{"user_id": "ann", "item_ids": ["i0"], **fields})  # type: ignore[arg-type]  # by name


def recommend(**fields: object) -> pb.RecommendRequest:
    return pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1), **fields)  # type: ignore[arg-type]  # by name


def listed(**fields: object) -> pb.RecommendRequest:
    return pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1, **fields))  # type: ignore[arg-type]  # by name


def ruled(**fields: object) -> pb.RecommendRequest:
    return listed(rules=pb.Rules(**fields))  # type: ignore[arg-type]  # by name


def filtered(*conditions: pb.Condition) -> pb.RecommendRequest:
    return listed(filter=pb.Filter(conditions=conditions))


def left_out(*interactions: pb.Interaction) -> pb.RecommendRequest:
    return listed(leave_out=pb.Interactions(any_of=interactions))


def page(lists: Iterable[pb.ListSpec]) -> pb.RecommendSlatesRequest:
    slates = [pb.Slate(name=f"s{number}", list=one) for number, one in enumerate(lists)]
    return pb.RecommendSlatesRequest(user_id="ann", slates=slates)


def pinned(slate: int, pins: int) -> pb.ListSpec:
    rules = pb.Rules(pins=[pb.Pin(item_id=f"i{slate}-{place}", position=place) for place in range(pins)])
    return pb.ListSpec(count=20, rules=rules)


def named(name: str) -> pb.RecommendSlatesRequest:
    return pb.RecommendSlatesRequest(user_id="ann", slates=[pb.Slate(name=name, list=pb.ListSpec(count=1))])


REQUESTS: dict[str, Callable[[], Message]] = {
    "one task many times": lambda: score(item_ids=_ITEMS, tasks=["click"] * 25_000),
    "one task still more often": lambda: score(item_ids=_ITEMS, tasks=["click"] * 100_000),
    "items": lambda: score(item_ids=["i0"] * 200_000),
    "tasks to explain": lambda: pb.ExplainRequest(user_id="ann", item_id="i0", tasks=["click"] * 200_000),
    "tasks to show": lambda: recommend(tasks=["click"] * 9_000),
    "exclusions": lambda: recommend(exclude_item_ids=["i"] * 99_999),
    "empty slates": lambda: page(pb.ListSpec() for _ in range(100_000)),
    "pins of a page": lambda: page(pinned(slate, 500) for slate in range(16)),
    "conditions of a page": lambda: page(pb.ListSpec(count=1, filter=pb.Filter(conditions=[_SONGS] * 32)) for _ in range(16)),
    "items of a page": lambda: page(pb.ListSpec(count=20, diversity=0.5) for _ in range(16)),
    "interactions to leave out": lambda: left_out(*[pb.Interaction()] * 400_000),
    "types": lambda: listed(item_types=["song"] * 100_000),
    "weights": lambda: listed(task_weights={f"t{number}": 1.0 for number in range(30_000)}),
    "conditions": lambda: filtered(*[_SONGS] * 50_000),
    "values": lambda: filtered(pb.Condition(field="type", any_of=["a"] * 200_000)),
    "caps": lambda: ruled(caps=[pb.Cap(field="type", at_most=1)] * 50_000),
    "boosts": lambda: ruled(boosts=[pb.Boost()] * 200_000),
    "events": lambda: pb.RecordEventsRequest(events=[Event()] * 100_000),
    "long user": lambda: score(user_id=_LONG),
    "long item": lambda: score(item_ids=[_LONG]),
    "long task": lambda: score(tasks=[_LONG]),
    "long tasks beyond ASCII": lambda: score(tasks=["\u20ac" * (2000 + number) for number in range(99)]),
    "long item to explain": lambda: pb.ExplainRequest(user_id="ann", item_id=_LONG),
    "long type": lambda: listed(item_types=[_LONG]),
    "long field": lambda: filtered(pb.Condition(field=_LONG, any_of=["a"])),
    "long field without a condition": lambda: filtered(pb.Condition(field=_LONG)),
    "long field of a cap": lambda: ruled(caps=[pb.Cap(field=_LONG)]),
    "long value": lambda: filtered(pb.Condition(field="type", any_of=[_LONG])),
    "long weight": lambda: listed(task_weights={_LONG: 1.0}),
    "long task of an interaction": lambda: left_out(pb.Interaction(task=_LONG)),
    "long pin": lambda: ruled(pins=[pb.Pin(item_id=_LONG)]),
    "long name": lambda: named(_LONG),
    "long request id": lambda: recommend(request_id=_LONG),
    "long exclusion": lambda: recommend(exclude_item_ids=[_LONG]),
    "long words": lambda: recommend(context_text=_LONG),
    "weight beyond sums": lambda: listed(task_weights={"click": 1e308}),
    "boost beyond sums": lambda: ruled(boosts=[pb.Boost(condition=_SONGS, score_delta=1e308)]),
    "temperature next to nothing": lambda: listed(exploration=pb.Exploration(temperature=1e-300)),
}


async def ask(stub: RecommenderServiceStub, request: Message) -> tuple[float, grpc.aio.AioRpcError | None]:
    """CPU seconds of client and server together, the least of three, and the error."""
    method = getattr(stub, type(request).__name__.removesuffix("Request"))
    least, error = float("inf"), None
    for _ in range(3):
        began = time.process_time()
        try:
            await method(request)
        except grpc.aio.AioRpcError as refused:
            error = refused
        least = min(least, time.process_time() - began)
    return least, error


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_beyond_the_bounds_costs_next_to_nothing(
    world: World, stub: RecommenderServiceStub, model: Recommender, name: str
) -> None:
    """INVALID_ARGUMENT with a short text, for a few times what scoring a hundred items takes."""
    world.publish(model)
    await world.watcher.refresh()
    usual, error = await ask(stub, score(item_ids=_ITEMS))
    assert error is None
    took, error = await ask(stub, REQUESTS[name]())
    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
    assert 0 < len((error.details() or "").encode()) <= _LONGEST
    assert took < _TIMES * usual


async def test_a_task_named_twice_is_predicted_once(stub: RecommenderServiceStub) -> None:
    """In the place of its first mention."""
    response = await stub.Score(score(tasks=["stars", "click", "stars"]))
    assert list(response.tasks) == ["stars", "click"]
    assert len(response.items[0].values) == 2


async def test_missing_pins_are_told_of_in_few_words(stub: RecommenderServiceStub) -> None:
    """A hundred of them, of the longest ids."""
    pins = [pb.Pin(item_id=f"{number:0>256}", position=number) for number in range(20)]
    request = pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=20, rules=pb.Rules(pins=pins)))
    response = await stub.Recommend(request)
    assert all(len(one.detail) <= _LONGEST for one in response.info.degradations)


async def test_an_unsound_event_is_told_of_in_few_words(stub: RecommenderServiceStub) -> None:
    """What is sent back does not grow with the event's own texts."""
    event = Event(event_id=_LONG, user_id=_LONG, item_id=_LONG, recommendation_id=_LONG)
    response = await stub.RecordEvents(pb.RecordEventsRequest(events=[event] * 10))
    assert len(response.rejected) == 10
    assert response.ByteSize() < 10 * _LONGEST


async def test_bytes_that_are_no_request_are_the_callers_fault(world: World, metrics: ServerMetrics) -> None:
    """INVALID_ARGUMENT names the message that was expected."""
    async with serving(world, metrics, Traces()) as address, grpc.aio.insecure_channel(address) as channel:
        for kind in (pb.ScoreRequest, pb.RecommendRequest, pb.RecommendSlatesRequest, pb.ExplainRequest, pb.RecordEventsRequest):
            method = kind.__name__.removesuffix("Request")
            with pytest.raises(grpc.aio.AioRpcError, match=f"no {kind.__name__} in protobuf") as refused:
                await channel.unary_unary(f"/{SERVICE}/{method}", None, None)(b"\x0a\xff\xff")
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
