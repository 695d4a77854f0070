"""The clients, for threads and for asyncio."""

import math
import uuid
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self, TypeVar

import grpc

from headwater.client.connection import ClientOptions, Target
from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub

__all__ = ["AsyncClient", "Client", "by_task"]

_ListRequest = TypeVar("_ListRequest", pb.RecommendRequest, pb.RecommendSlatesRequest)


class Client:
    """Calls the server from threads; one serves all threads of a process. Every method raises grpc.RpcError.

    `addresses` is host:port, or several: calls then go round those whose health is good, and a retry goes to another one. A host
    name stands for all the addresses that DNS has for it; of several, each must be numeric.

    A call is retried, elsewhere where there is a choice, if the server rejected it under load, could not be reached or has gone.
    That counts nothing twice: events carry their ids, and lists a request_id.
    """

    def __init__(self, addresses: str | Sequence[str], options: ClientOptions | None = None) -> None:
        self._to = to = Target(addresses, options or ClientOptions())
        if to.credentials is None:
            self._channel = grpc.insecure_channel(to.address, options=to.arguments)
        else:
            self._channel = grpc.secure_channel(to.address, to.credentials, options=to.arguments)
        self._stub = RecommenderServiceStub(self._channel)

    def score(self, request: pb.ScoreRequest, *, deadline_seconds: float | None = None) -> pb.ScoreResponse:
        """One prediction for each task and item that is named."""
        answer: pb.ScoreResponse = self._stub.Score(request, **self._to.call(deadline_seconds))
        return answer

    def recommend(self, request: pb.RecommendRequest, *, deadline_seconds: float | None = None) -> pb.RecommendResponse:
        """One ranked list; a request without a request_id gets one, on a copy, so that retries count once."""
        answer: pb.RecommendResponse = self._stub.Recommend(_named(request), **self._to.call(deadline_seconds))
        return answer

    def recommend_slates(
        self, request: pb.RecommendSlatesRequest, *, deadline_seconds: float | None = None
    ) -> pb.RecommendSlatesResponse:
        """Several lists for one page, no item twice; a request_id as for `recommend`."""
        answer: pb.RecommendSlatesResponse = self._stub.RecommendSlates(_named(request), **self._to.call(deadline_seconds))
        return answer

    def explain(self, request: pb.ExplainRequest, *, deadline_seconds: float | None = None) -> pb.ExplainResponse:
        """Why an item gets its predictions."""
        answer: pb.ExplainResponse = self._stub.Explain(request, **self._to.call(deadline_seconds))
        return answer

    def record_events(self, events: Iterable[Event], *, deadline_seconds: float | None = None) -> pb.RecordEventsResponse:
        """Writes events to the log; what is missing of event_id and occurred_at is filled in, on copies."""
        request = pb.RecordEventsRequest(events=map(_complete, events))
        answer: pb.RecordEventsResponse = self._stub.RecordEvents(request, **self._to.call(deadline_seconds))
        return answer

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncClient:
    """The same for asyncio; made and used within one event loop."""

    def __init__(self, addresses: str | Sequence[str], options: ClientOptions | None = None) -> None:
        self._to = to = Target(addresses, options or ClientOptions())
        if to.credentials is None:
            self._channel = grpc.aio.insecure_channel(to.address, options=to.arguments)
        else:
            self._channel = grpc.aio.secure_channel(to.address, to.credentials, options=to.arguments)
        self._stub = RecommenderServiceStub(self._channel)

    async def score(self, request: pb.ScoreRequest, *, deadline_seconds: float | None = None) -> pb.ScoreResponse:
        """One prediction for each task and item that is named."""
        answer: pb.ScoreResponse = await self._stub.Score(request, **self._to.call(deadline_seconds))
        return answer

    async def recommend(self, request: pb.RecommendRequest, *, deadline_seconds: float | None = None) -> pb.RecommendResponse:
        """One ranked list; a request without a request_id gets one, on a copy, so that retries count once."""
        answer: pb.RecommendResponse = await self._stub.Recommend(_named(request), **self._to.call(deadline_seconds))
        return answer

    async def recommend_slates(
        self, request: pb.RecommendSlatesRequest, *, deadline_seconds: float | None = None
    ) -> pb.RecommendSlatesResponse:
        """Several lists for one page, no item twice; a request_id as for `recommend`."""
        answer: pb.RecommendSlatesResponse = await self._stub.RecommendSlates(_named(request), **self._to.call(deadline_seconds))
        return answer

    async def explain(self, request: pb.ExplainRequest, *, deadline_seconds: float | None = None) -> pb.ExplainResponse:
        """Why an item gets its predictions."""
        answer: pb.ExplainResponse = await self._stub.Explain(request, **self._to.call(deadline_seconds))
        return answer

    async def record_events(self, events: Iterable[Event], *, deadline_seconds: float | None = None) -> pb.RecordEventsResponse:
        """Writes events to the log; what is missing of event_id and occurred_at is filled in, on copies."""
        request = pb.RecordEventsRequest(events=map(_complete, events))
        answer: pb.RecordEventsResponse = await self._stub.RecordEvents(request, **self._to.call(deadline_seconds))
        return answer

    async def close(self) -> None:
        await self._channel.close(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


def by_task(tasks: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """An item's values by the response's tasks, without those that do not apply to the item.

    >>> by_task(["click", "dwell"], [0.25, float("nan")])
    {'click': 0.25}
    """
    return {task: value for task, value in zip(tasks, values, strict=True) if not math.isnan(value)}


def _complete(event: Event) -> Event:
    whole = Event()
    whole.CopyFrom(event)
    if not whole.event_id:
        whole.event_id = uuid.uuid4().hex
    if not whole.HasField("occurred_at"):
        whole.occurred_at.GetCurrentTime()
    return whole


def _named(request: _ListRequest) -> _ListRequest:
    if request.request_id:
        return request
    whole = type(request)()
    whole.CopyFrom(request)
    whole.request_id = uuid.uuid4().hex
    return whole
