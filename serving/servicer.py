"""Owns the gRPC face: converts, calls the data plane, converts back; and which status each failure has on the wire."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import structlog

from protos import recommender_pb2 as pb
from protos.recommender_pb2_grpc import RecommenderServicer
from serving import conversion
from serving.errors import DeadlinePassed, InvalidRequest, LogUnavailable, Overloaded, ServingError
from serving.metrics import ServerMetrics
from serving.pipeline import Pipeline
from serving.recording import EventRecorder

__all__ = ["Servicer"]

_log = structlog.get_logger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]
_R = TypeVar("_R")

_STATUS: dict[type[ServingError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlinePassed: grpc.StatusCode.DEADLINE_EXCEEDED,
    LogUnavailable: grpc.StatusCode.UNAVAILABLE,
}


class Servicer(RecommenderServicer):
    """Implements `headwater.v1.Recommender`; refuses at once what comes on top of `max_in_flight` requests."""

    def __init__(
        self,
        pipeline: Pipeline,
        recorder: EventRecorder,
        metrics: ServerMetrics,
        *,
        max_in_flight: int,
        default_deadline_seconds: float,
    ) -> None:
        self._pipeline = pipeline
        self._recorder = recorder
        self._metrics = metrics
        self._max_in_flight = max_in_flight
        self._default_deadline = default_deadline_seconds
        self._in_flight = 0

    async def Score(self, request: pb.ScoreRequest, context: _Context) -> pb.ScoreResponse:
        async def answer(seconds: float) -> pb.ScoreResponse:
            scored = await self._pipeline.score(conversion.score_query(request, seconds))
            self._metrics.observe_answer(scored.report, scored.info)
            return conversion.score_response(scored)

        return await self._answer("Score", context, answer)

    async def Recommend(self, request: pb.RecommendRequest, context: _Context) -> pb.RecommendResponse:
        async def answer(seconds: float) -> pb.RecommendResponse:
            recommendation = await self._pipeline.recommend(conversion.recommend_query(request, seconds))
            self._metrics.observe_answer(recommendation.report, recommendation.info)
            return conversion.recommend_response(recommendation)

        return await self._answer("Recommend", context, answer)

    async def RecommendSlates(self, request: pb.RecommendSlatesRequest, context: _Context) -> pb.RecommendSlatesResponse:
        async def answer(seconds: float) -> pb.RecommendSlatesResponse:
            recommendation = await self._pipeline.recommend(conversion.slates_query(request, seconds))
            self._metrics.observe_answer(recommendation.report, recommendation.info)
            return conversion.slates_response(recommendation)

        return await self._answer("RecommendSlates", context, answer)

    async def RecordEvents(self, request: pb.RecordEventsRequest, context: _Context) -> pb.RecordEventsResponse:
        async def answer(seconds: float) -> pb.RecordEventsResponse:
            # A little less than there is, so that the outcome of each event still reaches the caller.
            return conversion.record_response(await self._recorder.record(request.events, 0.9 * seconds))

        return await self._answer("RecordEvents", context, answer)

    async def _answer(self, method: str, context: _Context, answer: Callable[[float], Awaitable[_R]]) -> _R:
        started, code, detail = time.perf_counter(), grpc.StatusCode.OK, ""
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        try:
            return await self._in_time(context, answer)
        except ServingError as error:
            code, detail = _STATUS[type(error)], str(error)
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception:
            code, detail = grpc.StatusCode.INTERNAL, f"{method} failed by a fault of the server; its log says more"
            _log.exception("request_failed", method=method)
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.set(self._in_flight)
            self._metrics.handled.labels(method, code.name).inc()
            self._metrics.handling.labels(method).observe(time.perf_counter() - started)
        await context.abort(code, detail)
        raise AssertionError("abort always raises")

    async def _in_time(self, context: _Context, answer: Callable[[float], Awaitable[_R]]) -> _R:
        if self._in_flight > self._max_in_flight:
            raise Overloaded(f"{self._max_in_flight} requests are in flight, which is all this server takes: retry with backoff")
        remaining = context.time_remaining()
        seconds = self._default_deadline if remaining is None else remaining
        if seconds <= 0.0:
            raise DeadlinePassed("the deadline had passed when the request arrived: allow more time")
        try:
            async with asyncio.timeout(seconds):
                return await answer(seconds)
        except TimeoutError as error:
            raise DeadlinePassed(f"no answer within {seconds:.3f} s: allow more time or ask for fewer items") from error
