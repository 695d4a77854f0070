"""Owns calling the server from Python, with threads or asyncio; needs grpcio and protobuf alone (`headwater[client]`).

Questions and answers are the messages of protos/headwater/v1/recommender.proto, whose stubs give types:

    from headwater.v1.recommender_pb2 import ListSpec, RecommendRequest
    from serving.client import Client

    with Client("127.0.0.1:50051") as client:
        answer = client.recommend(RecommendRequest(user_id="u1", list=ListSpec(count=10)))

It lives beside the server so that both change together; it imports nothing of it.
"""

import json
import math
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict

import grpc

from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub

__all__ = ["AsyncClient", "Client", "ClientOptions", "Tls", "by_task"]

_SERVICE = "headwater.v1.RecommenderService"
_KEEPALIVE_MS = 30_000
_ATTEMPTS = 4
# A failed attempt costs a token and a success gives back a tenth; with half of them gone nothing is tried again.
_THROTTLING = {"maxTokens": 200, "tokenRatio": 0.1}
_REPEATABLE = ("Score", "Explain", "RecordEvents")
_LISTS = ("Recommend", "RecommendSlates")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """PEM files: the authority of the server's certificate, and for mutual TLS the client's own certificate and key."""

    ca: Path | None = None
    """The system's authorities where absent."""
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""
    """The name in the server's certificate, where that is not the address that is called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """How calls are made."""

    deadline_seconds: float = 1.0
    """Of a call that names none, its retries included; the server gives up then, too."""
    token: str = field(default="", repr=False)
    """Bearer token, where the server asks for one."""
    tls: Tls | None = None
    """In the clear where absent."""


class _Call(TypedDict):
    timeout: float
    metadata: tuple[tuple[str, str], ...]


class _Target:
    """What both clients share: where calls go and what they carry."""

    def __init__(self, addresses: str | Sequence[str], options: ClientOptions) -> None:
        tls = options.tls
        self.address = _address([addresses] if isinstance(addresses, str) else addresses)
        self.credentials = None if tls is None else _credentials(tls)
        self.arguments: list[tuple[str, str | int]] = [
            ("grpc.service_config", json.dumps(_service_config())),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
        if tls is not None and tls.server_name:
            self.arguments.append(("grpc.ssl_target_name_override", tls.server_name))
        self._deadline = options.deadline_seconds
        self._metadata = (("authorization", f"Bearer {options.token}"),) if options.token else ()

    def call(self, deadline_seconds: float | None) -> _Call:
        """The arguments that every call has beside its request."""
        return {"timeout": self._deadline if deadline_seconds is None else deadline_seconds, "metadata": self._metadata}


class Client:
    """Calls the server from threads; one serves all threads of a process. Every method raises grpc.RpcError.

    `addresses` is host:port, or several: calls then go round those whose health is good, and a retry goes to another one. A host
    name stands for all the addresses that DNS has for it; of several, each must be numeric.

    A call that a server has shed unread is tried again. `score`, `explain` and `record_events` may be repeated without harm and
    are also tried again where a server could not be reached or has gone; a list is not: its impressions may be on the log.
    """

    def __init__(self, addresses: str | Sequence[str], options: ClientOptions | None = None) -> None:
        self._to = to = _Target(addresses, options or ClientOptions())
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
        """One ranked list."""
        answer: pb.RecommendResponse = self._stub.Recommend(request, **self._to.call(deadline_seconds))
        return answer

    def recommend_slates(
        self, request: pb.RecommendSlatesRequest, *, deadline_seconds: float | None = None
    ) -> pb.RecommendSlatesResponse:
        """Several lists for one page, no item twice."""
        answer: pb.RecommendSlatesResponse = self._stub.RecommendSlates(request, **self._to.call(deadline_seconds))
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
        self._to = to = _Target(addresses, options or ClientOptions())
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
        """One ranked list."""
        answer: pb.RecommendResponse = await self._stub.Recommend(request, **self._to.call(deadline_seconds))
        return answer

    async def recommend_slates(
        self, request: pb.RecommendSlatesRequest, *, deadline_seconds: float | None = None
    ) -> pb.RecommendSlatesResponse:
        """Several lists for one page, no item twice."""
        answer: pb.RecommendSlatesResponse = await self._stub.RecommendSlates(request, **self._to.call(deadline_seconds))
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


def _service_config() -> dict[str, object]:
    """Retries by method, but none into an overload, health, and going round (https://github.com/grpc/grpc/blob/master/doc/service_config.md)."""
    backoff = {"initialBackoff": "0.02s", "maxBackoff": "0.5s", "backoffMultiplier": 2, "maxAttempts": _ATTEMPTS}

    def retried(methods: Sequence[str], codes: Sequence[str]) -> dict[str, object]:
        names = [{"service": _SERVICE, "method": method} for method in methods]
        return {"name": names, "retryPolicy": {**backoff, "retryableStatusCodes": codes}}

    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": _SERVICE},
        "retryThrottling": _THROTTLING,
        "methodConfig": [retried(_REPEATABLE, ("UNAVAILABLE", "RESOURCE_EXHAUSTED")), retried(_LISTS, ("RESOURCE_EXHAUSTED",))],
    }


def _address(addresses: Sequence[str]) -> str:
    """gRPC's name for one host, or for several numeric addresses of one family.

    >>> _address(["10.0.0.1:50051", "10.0.0.2:50051"])
    'ipv4:10.0.0.1:50051,10.0.0.2:50051'
    """
    if len(addresses) == 1:
        return f"dns:///{addresses[0]}"
    try:
        families = {ip_address(address.rpartition(":")[0].strip("[]")).version for address in addresses}
        [family] = families
    except ValueError:
        raise ValueError(
            f"addresses: {', '.join(addresses) or 'none'}; give one host:port, or several numeric ones of one family, such as "
            "10.0.0.1:50051"
        ) from None
    return f"ipv{family}:{','.join(addresses)}"


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    ca, key, certificate = (None if path is None else path.read_bytes() for path in (tls.ca, tls.key, tls.certificate))
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=certificate)


def _complete(event: Event) -> Event:
    whole = Event()
    whole.CopyFrom(event)
    if not whole.event_id:
        whole.event_id = uuid.uuid4().hex
    if not whole.HasField("occurred_at"):
        whole.occurred_at.GetCurrentTime()
    return whole
