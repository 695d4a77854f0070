"""GRPC face: converts, calls the data plane, converts back; and which status each failure has on the wire."""

import asyncio
import math
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import grpc
import structlog
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # it carries no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # it carries no types

from headwater.v1 import recommender_pb2 as pb
from runtime.tracing import Traces
from serving.admission import Admission
from serving.api import conversion
from serving.api.errors import DeadlinePassed, InvalidRequest, LogUnavailable, Overloaded, ServingError
from serving.api.requests import ExplainQuery, RecommendQuery, ScoreQuery
from serving.api.responses import Recommendation, Scored
from serving.api.retries import RecentRecommendations
from serving.api.validation import MAX_ID, MAX_QUERY_BYTES, Limits, parsed
from serving.events import EventRecorder
from serving.explain import Explainer
from serving.metrics import ServerMetrics
from serving.pipeline import Pipeline

__all__ = ["MAX_MESSAGE_BYTES", "SERVICE", "Servicer"]

SERVICE: str = pb.DESCRIPTOR.services_by_name["RecommenderService"].full_name
MAX_MESSAGE_BYTES = 4 * 2**20
"""Of any request: gRPC refuses larger ones before they come here."""

_log = structlog.get_logger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]
_A = TypeVar("_A")
_Q = TypeVar("_Q", ScoreQuery, RecommendQuery, ExplainQuery)
_NO_TRACES = Traces()

_STATUS: dict[type[ServingError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlinePassed: grpc.StatusCode.DEADLINE_EXCEEDED,
    LogUnavailable: grpc.StatusCode.UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class _Method:
    """One method of the service: its request, what is checked of that, and what answers it."""

    request: type[Message]
    check: Callable[[Any], None]
    answer: Callable[[Any, float], Awaitable[tuple[Message, Scored | Recommendation | None]]]
    max_bytes: int = MAX_QUERY_BYTES
    takes_turns: bool = True


class Servicer:
    """Implements `headwater.v1.RecommenderService` on bytes: each request is admitted, then parsed, checked and converted."""

    def __init__(
        self,
        pipeline: Pipeline,
        explainer: Explainer,
        recorder: EventRecorder,
        metrics: ServerMetrics,
        *,
        limits: Limits,
        admission: Admission,
        default_deadline_seconds: float,
        by_token: bool = False,
        retry_bytes: int = 2**20,
        traces: Traces = _NO_TRACES,
    ) -> None:
        self._pipeline = pipeline
        self._explainer = explainer
        self._recorder = recorder
        self._metrics = metrics
        self._admission = admission
        self._default_deadline = default_deadline_seconds
        self._recent = RecentRecommendations(max_bytes=retry_bytes, repeated=metrics.recommendations_repeated.inc)
        self._by_token = by_token
        self._traces = traces
        self._methods = {
            "Score": _Method(pb.ScoreRequest, limits.check_score, self._score),
            "Recommend": _Method(pb.RecommendRequest, limits.check_recommend, self._recommend),
            "RecommendSlates": _Method(pb.RecommendSlatesRequest, limits.check_slates, self._recommend_slates),
            "Explain": _Method(pb.ExplainRequest, limits.check_explain, self._explain),
            "RecordEvents": _Method(
                pb.RecordEventsRequest, limits.check_events, self._record_events, max_bytes=MAX_MESSAGE_BYTES, takes_turns=False
            ),
        }

    def add_to(self, server: grpc.aio.Server) -> None:
        """Has the server answer the service's methods."""
        handlers = {name: grpc.unary_unary_rpc_method_handler(partial(self._answer, name)) for name in self._methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    async def _score(self, request: pb.ScoreRequest, seconds: float) -> tuple[pb.ScoreResponse, Scored]:
        scored = await self._pipeline.score(_logged(conversion.score_query(request, seconds)))
        return conversion.score_response(scored), scored

    async def _recommend(
        self, request: pb.RecommendRequest, seconds: float
    ) -> tuple[pb.RecommendResponse, Recommendation | None]:
        async def make() -> tuple[pb.RecommendResponse, Recommendation]:
            recommendation = await self._pipeline.recommend(_logged(conversion.recommend_query(request, seconds)))
            return conversion.recommend_response(recommendation), recommendation

        return await self._recent.once(request, pb.RecommendResponse, make)

    async def _recommend_slates(
        self, request: pb.RecommendSlatesRequest, seconds: float
    ) -> tuple[pb.RecommendSlatesResponse, Recommendation | None]:
        async def make() -> tuple[pb.RecommendSlatesResponse, Recommendation]:
            recommendation = await self._pipeline.recommend(_logged(conversion.slates_query(request, seconds)))
            return conversion.slates_response(recommendation), recommendation

        return await self._recent.once(request, pb.RecommendSlatesResponse, make)

    async def _explain(self, request: pb.ExplainRequest, seconds: float) -> tuple[pb.ExplainResponse, None]:
        explained = await self._explainer.explain(_logged(conversion.explain_query(request, seconds)))
        return conversion.explain_response(explained), None

    async def _record_events(self, request: pb.RecordEventsRequest, seconds: float) -> tuple[pb.RecordEventsResponse, None]:
        # A little less than there is, so that the outcome of each event still reaches the caller.
        return conversion.record_response(await self._recorder.record(request.events, 0.9 * seconds)), None

    async def _answer(self, method: str, content: bytes, context: _Context) -> bytes:
        how, started = self._methods[method], time.perf_counter()
        remaining = context.time_remaining()
        seconds = self._default_deadline if remaining is None else remaining
        turned, code = False, grpc.StatusCode.CANCELLED
        try:
            with self._admission.entered():
                self._metrics.in_flight.set(self._admission.in_flight)
                if not how.takes_turns:
                    turned = True
                    return await self._answer_now(method, how, content, context, started, seconds)
                async with self._admission.turn(self._client_of(context), seconds):
                    turned, waited = True, time.perf_counter() - started
                    return await self._answer_now(method, how, content, context, started, seconds - waited)
        except (Overloaded, DeadlinePassed) as error:
            refused, code = error, _STATUS[type(error)]
        finally:
            self._metrics.in_flight.set(self._admission.in_flight)
            if not turned:
                self._metrics.handled.labels(method, code.name).inc()
        trailers: tuple[tuple[str, str | bytes], ...] = ()
        if isinstance(refused, Overloaded):
            await self._admission.refusal(seconds - time.perf_counter() + started)
            trailers = _retry_trailers(code, str(refused), refused.retry_seconds)
        await context.abort(code, str(refused), trailers)
        raise AssertionError("abort always raises")

    async def _answer_now(
        self, method: str, how: _Method, content: bytes, context: _Context, started: float, seconds: float
    ) -> bytes:
        metadata: tuple[tuple[str, Any], ...] = ()
        began, code, detail = time.time(), grpc.StatusCode.OK, ""
        answered: Scored | Recommendation | None = None
        try:
            metadata = tuple(context.invocation_metadata() or ())
            structlog.contextvars.bind_contextvars(method=method, request_id=_request_id(metadata))
            request = parsed(how.request, content, max_bytes=how.max_bytes)
            how.check(request)
            response, answered = await _in_time(seconds, partial(how.answer, request))
            if answered is not None:
                self._metrics.observe_answer(answered.report, answered.info)
            return response.SerializeToString()
        except ServingError as error:
            code, detail = _STATUS[type(error)], str(error)
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception:
            code, detail = grpc.StatusCode.INTERNAL, f"{method} failed by a fault of the server; its log says more"
            _log.exception("request_failed")
        finally:
            self._metrics.handled.labels(method, code.name).inc()
            self._metrics.handling.labels(method).observe(time.perf_counter() - started)
            if self._traces.on:
                self._trace(method, metadata, began, code, answered)
        await context.abort(code, detail)
        raise AssertionError("abort always raises")

    def _client_of(self, context: _Context) -> str:
        """Whose turn it is: the holder of a token where there are tokens, else a connection."""
        if self._by_token:
            for key, value in context.invocation_metadata() or ():
                if key == "authorization":
                    return str(value)
        return str(context.peer())

    def _trace(
        self,
        method: str,
        metadata: tuple[tuple[str, Any], ...],
        began: float,
        code: grpc.StatusCode,
        answered: Scored | Recommendation | None,
    ) -> None:
        about: dict[str, str] = {"rpc.grpc.status": code.name}
        if answered is not None:
            about |= {
                "headwater.recommendation_id": answered.info.recommendation_id,
                "headwater.model_version": answered.info.model_version,
                "headwater.degradations": ",".join(one.reason.name for one in answered.info.degradations),
            }
        stages = {} if answered is None else answered.report.stages
        within = self._traces.of_call(metadata)
        self._traces.write(method, began, time.time(), within=within, stages=stages, attributes=about)


async def _in_time(seconds: float, answer: Callable[[float], Awaitable[_A]]) -> _A:
    if seconds <= 0.0:
        raise DeadlinePassed("the deadline had passed when the request's turn came: allow more time")
    try:
        async with asyncio.timeout(seconds):
            return await answer(seconds)
    except TimeoutError as error:
        raise DeadlinePassed(f"no answer within {seconds:.3f} s: allow more time or ask for fewer items") from error


def _retry_trailers(code: grpc.StatusCode, detail: str, seconds: float) -> tuple[tuple[str, str | bytes], ...]:
    """When to come again, as gRPC's own retries read it, and as google.rpc.RetryInfo."""
    info, milliseconds = RetryInfo(), math.ceil(1e3 * seconds)
    info.retry_delay.FromMilliseconds(milliseconds)
    status = Status(code=code.value[0], message=detail)
    status.details.add().Pack(info)
    return ("grpc-retry-pushback-ms", str(milliseconds)), ("grpc-status-details-bin", status.SerializeToString())


def _logged(query: _Q) -> _Q:
    """The request; from here on each line of the log that it causes carries the response's id."""
    structlog.contextvars.bind_contextvars(recommendation_id=query.recommendation_id)
    if isinstance(query, RecommendQuery) and query.request_id:
        structlog.contextvars.bind_contextvars(request_id=query.request_id)
    return query


def _request_id(metadata: tuple[tuple[str, Any], ...]) -> str:
    """What the caller or a proxy calls the request, so that its logs and ours can be laid side by side; else a name of ours."""
    return next((str(value)[:MAX_ID] for key, value in metadata if key == "x-request-id"), "") or uuid.uuid4().hex
