"""Refusing calls: of clients that are not known, not allowed what they ask, or faster than was agreed."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import grpc
from grpc_health.v1 import health

from serving.api.reflection import REFLECTION_METHODS
from serving.api.tokens import GRANTED, Caller, Scope, TokenFile

__all__ = ["Access", "Refusal"]

_BEARER = "Bearer "
_RECOMMENDER = "/headwater.v1.RecommenderService/"
_SCOPES: dict[str, tuple[Scope, ...]] = {
    f"{_RECOMMENDER}Score": ("score",),
    f"{_RECOMMENDER}Recommend": ("score",),
    f"{_RECOMMENDER}RecommendSlates": ("score",),
    f"{_RECOMMENDER}Explain": ("score",),
    f"{_RECOMMENDER}RecordEvents": ("ingest", "impressions", "erase"),
    **dict.fromkeys(REFLECTION_METHODS, ("admin",)),
}
"""One of these a method needs; one that is not named here needs admin. Each event then needs its own (serving/events.py)."""
_OPEN = f"/{health.SERVICE_NAME}/"  # orchestrators hold no token, and health tells nothing else


class Refusal(Exception):
    """A call that is not let in: a fixed word for metrics, a status, and what the caller should do."""

    def __init__(self, reason: str, code: grpc.StatusCode, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.code, self.detail = reason, code, detail


class Access(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs alone
    """Lets a call in if its bearer token is of a client with the method's scope, in time, and within the client's rate.

    `refused(reason)` is called for every call that is not let in. Neither tokens nor hashes are ever logged or sent back.
    """

    def __init__(
        self,
        tokens: TokenFile,
        *,
        refused: Callable[[str], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._tokens = tokens
        self._refused = refused
        self._clock = clock
        self._monotonic = monotonic
        self._allowances: dict[str, tuple[float, float]] = {}
        """By client: how many calls it may make at once, and when that was so."""

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        """Hands the call on, or gives in place of its handler one that refuses."""
        try:
            self.check(handler_call_details.method, dict(handler_call_details.invocation_metadata).get("authorization", ""))
        except Refusal as refusal:
            self._refused(refusal.reason)
            code, detail = refusal.code, refusal.detail

            async def refuse(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
                await context.abort(code, detail)

            return grpc.unary_unary_rpc_method_handler(refuse)
        return await continuation(handler_call_details)

    def check(self, method: str, authorization: str | bytes) -> None:
        """Raises Refusal for a call of `method`, such as /headwater.v1.RecommenderService/Score, that is not to be let in."""
        if method.startswith(_OPEN):
            return
        if not isinstance(authorization, str) or not authorization.startswith(_BEARER):
            raise _unauthenticated("missing", "send the metadata authorization: Bearer TOKEN, with a token of whoever runs this")
        found = self._tokens.find(authorization.removeprefix(_BEARER))
        if found is None:
            raise _unauthenticated("unknown", "the token is not known here; ask whoever runs this server for another")
        name, client = found
        if client.expires <= datetime.fromtimestamp(self._clock(), UTC):
            raise _unauthenticated("expired", f"the token of {name} expired on {client.expires:%Y-%m-%d}; ask for another")
        needed = _SCOPES.get(method, ("admin",))
        if client.scopes.isdisjoint(needed):
            has = ", ".join(sorted(client.scopes)) or "none"
            detail = f"{method} needs the scope {' or '.join(needed)}; the token of {name} has: {has}"
            raise Refusal("scope", grpc.StatusCode.PERMISSION_DENIED, detail)
        self._spend(name, client)
        GRANTED.set(client.scopes)

    def _spend(self, name: str, client: Caller) -> None:
        rate = client.requests_per_second
        if rate is None:
            return
        now, most = self._monotonic(), max(rate, 1.0)
        left, since = self._allowances.get(name, (most, now))
        left = min(left + (now - since) * rate, most)
        if left < 1.0:
            self._allowances[name] = left, now
            detail = f"{name} may make {rate:g} requests a second: slow down, or ask for more"
            raise Refusal("rate", grpc.StatusCode.RESOURCE_EXHAUSTED, detail)
        self._allowances[name] = left - 1.0, now


def _unauthenticated(reason: str, detail: str) -> Refusal:
    return Refusal(reason, grpc.StatusCode.UNAUTHENTICATED, detail)
