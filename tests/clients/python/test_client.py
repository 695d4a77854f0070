"""The Python client against real servers: retries that do no harm, several addresses, deadlines, tokens."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from headwater.client import AsyncClient, Client, ClientOptions
from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2_grpc import RecommenderServiceServicer, add_RecommenderServiceServicer_to_server

ROOT = Path(__file__).parents[2]
NAMES = ("headwater.v1.RecommenderService",)
SCORE = pb.ScoreRequest(user_id="ann", item_ids=["i0"])
LIST = pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1))
_Context = grpc.aio.ServicerContext[Any, Any]


class Replica(RecommenderServiceServicer):
    """Answers with its own name after a number of refusals, and keeps what it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: Counter[str] = Counter()
        self.events: list[Event] = []
        self.lists: list[pb.RecommendRequest] = []
        self.refusals: list[grpc.StatusCode] = []
        self.seconds = 0.0
        self.states = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs lack it
        self.server = grpc.aio.server()
        self.address = ""

    async def start(self) -> None:
        add_RecommenderServiceServicer_to_server(self, self.server)
        health_pb2_grpc.add_HealthServicer_to_server(self.states, self.server)
        await self.tell(serving=True)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        await self.server.start()

    async def tell(self, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self.states.set(NAMES[0], status)

    async def Score(self, request: pb.ScoreRequest, context: _Context) -> pb.ScoreResponse:
        await self._met("Score", context)
        return pb.ScoreResponse(info=pb.ResponseInfo(model_version=self.name))

    async def Recommend(self, request: pb.RecommendRequest, context: _Context) -> pb.RecommendResponse:
        self.lists.append(request)
        await self._met("Recommend", context)
        return pb.RecommendResponse(info=pb.ResponseInfo(model_version=self.name))

    async def RecordEvents(self, request: pb.RecordEventsRequest, context: _Context) -> pb.RecordEventsResponse:
        self.events.extend(request.events)
        await self._met("RecordEvents", context)
        return pb.RecordEventsResponse(accepted=len(request.events))

    async def _met(self, method: str, context: _Context) -> None:
        self.calls[method] += 1
        await asyncio.sleep(self.seconds)
        if self.refusals:
            await context.abort(self.refusals.pop(), "refused by the test")


@pytest.fixture
async def replicas() -> AsyncIterator[list[Replica]]:
    """Two servers."""
    started = [Replica("a"), Replica("b")]
    for replica in started:
        await replica.start()
    yield started
    for replica in started:
        await replica.server.stop(None)


def patient(*replicas: Replica) -> AsyncClient:
    return AsyncClient([replica.address for replica in replicas], ClientOptions(deadline_seconds=10.0))


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
async def test_harmless_calls_are_tried_again(replicas: list[Replica], code: grpc.StatusCode) -> None:
    """Two refusals in a row are no failure."""
    replicas[0].refusals = [code, code]
    async with patient(replicas[0]) as client:
        assert (await client.score(SCORE)).info.model_version == "a"
    assert replicas[0].calls["Score"] == 3


async def test_an_overloaded_server_is_not_buried_under_retries(replicas: list[Replica]) -> None:
    """While all is refused, calls end by being tried once; what is answered lets them be tried again."""
    async with patient(replicas[0]) as client:
        replicas[0].refusals = [grpc.StatusCode.RESOURCE_EXHAUSTED] * 1000
        refused = await asyncio.gather(*(client.score(SCORE) for _ in range(100)), return_exceptions=True)
        assert all(isinstance(one, grpc.aio.AioRpcError) for one in refused)
        before = replicas[0].calls["Score"]
        await asyncio.gather(*(client.score(SCORE) for _ in range(100)), return_exceptions=True)
        assert replicas[0].calls["Score"] == before + 100
        replicas[0].refusals = []
        for _ in range(1100):
            await client.score(SCORE)
        replicas[0].refusals = [grpc.StatusCode.RESOURCE_EXHAUSTED]
        assert (await client.score(SCORE)).info.model_version == "a"


async def test_a_list_keeps_its_request_id_when_asked_for_again(replicas: list[Replica]) -> None:
    """So its impressions count once, though the first attempt was lost on the way; what the caller holds is not touched."""
    async with patient(replicas[0]) as client:
        replicas[0].refusals = [grpc.StatusCode.UNAVAILABLE]
        await client.recommend(LIST)
        await client.recommend(LIST)
        first, retried, other = (request.request_id for request in replicas[0].lists)
        assert first == retried != other
        assert not LIST.request_id
        own = pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1), request_id="of the application")
        await client.recommend(own)
    assert replicas[0].lists[-1] == own


async def test_what_the_caller_must_change_is_not_tried_again(replicas: list[Replica]) -> None:
    """An invalid request stays invalid."""
    replicas[0].refusals = [grpc.StatusCode.INVALID_ARGUMENT]
    async with patient(replicas[0]) as client:
        with pytest.raises(grpc.aio.AioRpcError, match="refused by the test"):
            await client.score(SCORE)
    assert replicas[0].calls["Score"] == 1


async def test_events_keep_their_ids_when_sent_again(replicas: list[Replica]) -> None:
    """So a repeat counts once; what the caller holds is not touched."""
    replicas[0].refusals = [grpc.StatusCode.UNAVAILABLE]
    event = Event(user_id="ann", item_id="i0")
    event.click.SetInParent()
    async with patient(replicas[0]) as client:
        assert (await client.record_events([event])).accepted == 1
    first, second = replicas[0].events
    assert first == second
    assert first.event_id
    assert first.HasField("occurred_at")
    assert not event.event_id


async def test_calls_go_round_and_past_a_server_that_leaves(replicas: list[Replica]) -> None:
    """Both answer; one that says it drains gets no more calls; one that is gone costs no failure."""
    async with patient(*replicas) as client:
        served = {(await client.score(SCORE)).info.model_version for _ in range(20)}
        while served != {"a", "b"}:  # the second connection may take a moment
            served.add((await client.score(SCORE)).info.model_version)
        await replicas[0].tell(serving=False)
        while {(await client.score(SCORE)).info.model_version for _ in range(2)} != {"b"}:  # the notice is on its way
            continue
        assert {(await client.score(SCORE)).info.model_version for _ in range(20)} == {"b"}
        await replicas[0].tell(serving=True)
        await replicas[1].server.stop(None)
        assert {(await client.score(SCORE)).info.model_version for _ in range(20)} == {"a"}


async def test_deadline_is_the_calls_own_or_the_clients(replicas: list[Replica]) -> None:
    """A slow server costs the caller no more than was allowed."""
    replicas[0].seconds = 5.0
    async with AsyncClient(replicas[0].address, ClientOptions(deadline_seconds=0.1)) as client:
        for deadline in (None, 0.05):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await client.score(SCORE, deadline_seconds=deadline)
            assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_one_client_serves_threads(replicas: list[Replica]) -> None:
    """The client without asyncio does the same, from several threads at once."""
    replicas[0].refusals = [grpc.StatusCode.UNAVAILABLE]
    answers: list[str] = []
    with Client(replicas[0].address, ClientOptions(deadline_seconds=10.0)) as client:

        def call() -> None:
            answers.append(client.score(SCORE).info.model_version)
            answers.append(client.recommend(LIST).info.model_version)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    assert answers == ["a"] * 8


def test_several_addresses_must_be_numeric() -> None:
    """Names are for DNS, which gives all addresses of one."""
    with pytest.raises(ValueError, match="give one host:port, or several numeric ones"):
        Client(["one:50051", "two:50051"])


def test_token_is_not_shown() -> None:
    """Options may land in a log."""
    assert "hw_secret" not in repr(ClientOptions(token="hw_secret"))
