"""A list asked for again under its request_id: the same recommendation, and one set of impressions."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from headwater.v1 import recommender_pb2 as pb
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from runtime.tracing import Traces
from serving.api.errors import InvalidRequest
from serving.api.retries import RecentRecommendations
from serving.events import impressions_of
from serving.metrics import ServerMetrics
from tests.serving.stubs import served
from tests.serving.worlds import VOCABULARY, World, trained_model, user_row

LIST = pb.RecommendRequest(
    user_id="ann", list=pb.ListSpec(count=5, exploration=pb.Exploration(temperature=1.0)), request_id="of the page"
)


def named(request_id: str, count: int = 5) -> pb.RecommendRequest:
    return pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=count), request_id=request_id)


@pytest.fixture
async def other(tmp_path: Path, world: World) -> AsyncIterator[tuple[World, RecommenderServiceStub]]:
    """A second server, which shares nothing with the first but what all replicas read."""
    replica = World(directory=tmp_path / "other")
    for each in (world, replica):
        each.rows.write_users([user_row()])
        each.publish(trained_model())
        await each.watcher.refresh()
    async with served(replica, ServerMetrics(), Traces()) as stub:
        yield replica, stub
    replica.close()


async def test_a_retry_gets_the_same_recommendation(world: World, stub: RecommenderServiceStub, metrics: ServerMetrics) -> None:
    """Bytes, order and id of an explored list, and it was shown once; another id is another list."""
    first = await stub.Recommend(LIST)
    assert await stub.Recommend(LIST) == first
    assert len(world.shown) == 1
    assert metrics.registry.get_sample_value("headwater_recommendations_repeated_total") == 1.0
    another = await stub.Recommend(named("of the next page"))
    assert another.info.recommendation_id != first.info.recommendation_id
    assert len(world.shown) == 2


async def test_without_an_id_every_request_is_a_list_of_its_own(world: World, stub: RecommenderServiceStub) -> None:
    """As for an application that does not retry."""
    first, second = [await stub.Recommend(named("")) for _ in range(2)]
    assert first.info.recommendation_id != second.info.recommendation_id
    assert len(world.shown) == 2


async def test_slates_are_repeated_as_a_whole(world: World, stub: RecommenderServiceStub) -> None:
    """The id stands for the page."""
    slates = [pb.Slate(name=name, list=pb.ListSpec(count=2)) for name in ("a", "b")]
    page = pb.RecommendSlatesRequest(user_id="ann", slates=slates, request_id="of the page")
    assert await stub.RecommendSlates(page) == await stub.RecommendSlates(page)
    assert len(world.shown) == 1


async def test_a_retry_that_overtakes_waits_for_the_first(world: World, stub: RecommenderServiceStub) -> None:
    """A caller that gave up early, or hedges, costs no second list."""
    first, second = await asyncio.gather(stub.Recommend(LIST), stub.Recommend(LIST))
    assert first == second
    assert len(world.shown) == 1


async def test_one_id_for_two_requests_is_refused(stub: RecommenderServiceStub) -> None:
    """The error names the field; another user may have the same id."""
    await stub.Recommend(named("a", count=5))
    with pytest.raises(grpc.aio.AioRpcError, match="request_id: another request had this id") as refused:
        await stub.Recommend(named("a", count=6))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    bob = named("a", count=6)
    bob.user_id = "bob"
    assert len((await stub.Recommend(bob)).items) == 6
    with pytest.raises(grpc.aio.AioRpcError, match=r"request_id: .* has 257 characters, 256 are allowed"):
        await stub.Recommend(named("a" * 257))


async def test_another_server_makes_the_same_list_of_the_same_data(
    world: World, stub: RecommenderServiceStub, other: tuple[World, RecommenderServiceStub]
) -> None:
    """The first one has gone: the retry draws the same explored list, and its impressions bear the ids of the first set."""
    replica, second = other
    first = await stub.Recommend(LIST)
    retried = await second.Recommend(LIST)
    assert [item.item_id for item in retried.items] == [item.item_id for item in first.items]
    assert retried.info.recommendation_id == first.info.recommendation_id
    events = [list(impressions_of(one.shown[0], VOCABULARY.fingerprint)) for one in (world, replica)]
    assert [event.event_id for event in events[0]] == [event.event_id for event in events[1]]


class Recent:
    """Recent recommendations with a clock and a maker of the test."""

    def __init__(self, max_bytes: int = 10_000) -> None:
        self.now = 0.0
        self.made = 0
        self.recent = RecentRecommendations(max_bytes=max_bytes, repeated=lambda: None, clock=lambda: self.now)

    async def recommend(self, request_id: str, *, fails: bool = False, waits: float = 0.0) -> int:
        async def make() -> tuple[pb.RecommendResponse, None]:
            self.made += 1
            number = self.made
            await asyncio.sleep(waits)
            if fails:
                raise RuntimeError("the store is down")
            return pb.RecommendResponse(tasks=[str(number).zfill(98)]), None

        response, _ = await self.recent.once(named(request_id), pb.RecommendResponse, make)
        return int(response.tasks[0])


async def test_ten_minutes_are_kept() -> None:
    """Not a second longer, as the contract says."""
    recent = Recent()
    assert await recent.recommend("a") == 1
    recent.now = 599.0
    assert await recent.recommend("a") == 1
    recent.now = 600.0
    assert await recent.recommend("a") == 2


async def test_memory_is_bounded() -> None:
    """Of three responses of 100 bytes, 250 bytes hold the latest two."""
    recent = Recent(max_bytes=250)
    assert [await recent.recommend(name) for name in "abc"] == [1, 2, 3]
    assert [await recent.recommend(name) for name in "bc"] == [2, 3]
    assert await recent.recommend("a") == 4


async def test_a_failed_attempt_is_forgotten() -> None:
    """The next one is made, also by a retry that was already waiting; so it is where the first caller went away."""
    recent = Recent()
    failed, retried = await asyncio.gather(
        recent.recommend("a", fails=True, waits=0.01), recent.recommend("a"), return_exceptions=True
    )
    assert isinstance(failed, RuntimeError)
    assert retried == 2
    gone = asyncio.create_task(recent.recommend("b", waits=10.0))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(recent.recommend("b"))
    await asyncio.sleep(0)
    gone.cancel()
    assert await waiting == 4
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_waiting_retry_that_goes_away_harms_no_one() -> None:
    """The first attempt ends as it would."""
    recent = Recent()
    first = asyncio.create_task(recent.recommend("a", waits=0.01))
    await asyncio.sleep(0)
    retried = asyncio.create_task(recent.recommend("a"))
    await asyncio.sleep(0)
    retried.cancel()
    assert await first == 1
    assert await recent.recommend("a") == 1


async def test_a_refusal_leaves_the_first_attempt_alone() -> None:
    """The id stays with the request that had it first."""
    recent = Recent()
    await recent.recommend("a")
    with pytest.raises(InvalidRequest):
        await recent.recent.once(named("a", count=9), pb.RecommendResponse, _never)
    assert await recent.recommend("a") == 1


async def _never() -> tuple[pb.RecommendResponse, None]:
    raise AssertionError("nothing is made for a request that is refused")
