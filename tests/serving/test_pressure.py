"""The gRPC face under pressure: overload, deadlines, callers that leave, a slow encoder and new models."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # it carries no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # it carries no types
from numpy.typing import NDArray

from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from serving.metrics import ServerMetrics
from tests.serving.stubs import reasons
from tests.serving.worlds import World
from training.model import Recommender


def occupy(world: World, seconds: float) -> "asyncio.Future[list[None]]":
    """Work for the loop, in small pieces, and as long a piece for the thread; ends when the loop's is done."""
    world.queue.submit(time.sleep, seconds)
    pieces = round(seconds / 0.002)
    return asyncio.gather(*(world.queue.run(partial(time.sleep, 0.002), candidates=1) for _ in range(pieces)))


async def test_overload_is_shed_at_once(world: World, stub: RecommenderServiceStub, metrics: ServerMetrics) -> None:
    """With both places taken, the third request is refused without waiting, in clear words, and counted; the two are answered."""
    busy = occupy(world, 0.3)
    request = pb.ScoreRequest(user_id="ann", item_ids=["i0"])
    held = [asyncio.ensure_future(stub.Score(request)) for _ in range(2)]
    await asyncio.sleep(0.1)
    started = time.perf_counter()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Score(request)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert time.perf_counter() - started < 0.1
    assert "2 requests are in flight" in str(refused.value.details())
    labels = {"grpc_method": "Score", "grpc_code": "RESOURCE_EXHAUSTED"}
    assert metrics.registry.get_sample_value("grpc_server_handled_total", labels) == 1.0
    assert all(response.items for response in await asyncio.gather(*held))
    await busy


async def test_a_few_to_score_do_not_wait_for_a_long_piece_of_work(world: World, stub: RecommenderServiceStub) -> None:
    """They are scored on the event loop while the thread works; a list is made by the thread, and waits for it."""
    long = world.queue.submit(time.sleep, 0.5)
    assert (await stub.Score(pb.ScoreRequest(user_id="ann", item_ids=["i0"]))).items
    assert not long.done()
    assert (await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=2)))).items
    assert long.done()


async def waits(world: World, client: str) -> None:
    async with world.admission.turn(client, 60.0):
        pass


async def test_a_full_queue_refuses_unread_what_would_wait_too_long(world: World, stub: RecommenderServiceStub) -> None:
    """It says when to come again, as gRPC's retries and as RetryInfo; events, which wait for no turn, are looked at."""
    async with AsyncExitStack() as turns:
        for _ in range(8):
            await turns.enter_async_context(world.admission.turn("another", 60.0))
        waiting = [asyncio.ensure_future(waits(world, f"client {number}")) for number in range(1_000)]
        await asyncio.sleep(0)
        with pytest.raises(grpc.aio.AioRpcError, match="of work waits before this request: retry with backoff") as refused:
            await stub.Score(pb.ScoreRequest(), timeout=3.0)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailers: dict[str, Any] = dict(refused.value.trailing_metadata() or ())  # type: ignore[arg-type]  # of pairs
        status, info = Status.FromString(trailers["grpc-status-details-bin"]), RetryInfo()
        assert status.details[0].Unpack(info)
        assert 50 <= info.retry_delay.ToMilliseconds() == int(trailers["grpc-retry-pushback-ms"]) <= 6_000
        response = await stub.RecordEvents(pb.RecordEventsRequest(events=[Event(event_id="e", user_id="u")]))
        assert len(response.rejected) == 1
    await asyncio.gather(*waiting)
    assert (await stub.Score(pb.ScoreRequest(user_id="ann", item_ids=["i0"]))).items


async def test_deadline_is_kept_and_frees_its_place(world: World, stub: RecommenderServiceStub) -> None:
    """A caller that cannot wait is not waited for, and the requests after it are answered; on the loop as on the thread."""
    busy = occupy(world, 0.6)
    few, many = pb.ScoreRequest(user_id="ann", item_ids=["i0"]), pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=2))
    for ask in (partial(stub.Score, few), partial(stub.Recommend, many)) * 2:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(timeout=0.05)
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await stub.Score(few)).items
    assert (await stub.Recommend(many)).items
    await busy


async def test_a_cancelled_call_harms_no_other(world: World, stub: RecommenderServiceStub) -> None:
    """One caller leaves while its request waits for its turn; its neighbour is answered, and its place is free for others."""
    request = pb.ScoreRequest(user_id="ann", item_ids=["i0"])
    for ask in (
        partial(stub.Score, request),
        partial(stub.Recommend, pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=2))),
    ) * 2:
        busy = occupy(world, 0.3)
        leaves, stays = ask(), ask()
        await asyncio.sleep(0.05)
        leaves.cancel()
        assert (await stays).items
        with pytest.raises(asyncio.CancelledError):
            await leaves
        await busy
    both = await asyncio.gather(stub.Score(request), stub.Score(request))
    assert all(response.items for response in both)


async def test_encoder_too_slow_for_the_deadline_costs_the_words_only(
    world: World, stub: RecommenderServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list comes in time, without the context and saying so."""

    def slow(texts: Sequence[str]) -> NDArray[np.float32]:
        time.sleep(0.5)
        return np.zeros((len(texts), 8), dtype=np.float32)

    monkeypatch.setattr(world.encoder, "encode", slow)
    response = await stub.Recommend(
        pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=2), context_text="axis 1"), timeout=0.45
    )
    assert len(response.items) == 2
    assert "REASON_CONTEXT_SKIPPED" in reasons(response.info)


async def test_swaps_under_load_drop_no_request(world: World, stub: RecommenderServiceStub, model: Recommender) -> None:
    """Every answer comes from one of the versions published while it was under way."""
    world.publish(model)
    await world.watcher.refresh()
    watching = asyncio.create_task(world.watcher.watch())
    versions: list[str] = []
    for _ in range(4):
        world.publish(model)
        for _ in range(10):
            response = await stub.Score(pb.ScoreRequest(user_id="ann", item_ids=["i0", "i5"]))
            versions.append(response.info.model_version)
            assert not reasons(response.info) & {"REASON_NO_MODEL"}
            await asyncio.sleep(0.005)
    watching.cancel()
    assert versions == sorted(versions)
    assert len(set(versions)) > 1
