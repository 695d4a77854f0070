"""Console's HTTP face: its addresses, which of them a read-only console has, and what its errors say."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import msgspec
from kafka.errors import KafkaError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.console.access import Admitted
from deploy.console.actions import possible_actions
from deploy.console.event_trace import UserAction, follow
from deploy.console.health import SystemHealth
from deploy.console.queries import Queries
from deploy.console.recent_users import recent_users
from deploy.console.rows import Rows
from feature_repo.codec import RowSchemaError
from feature_repo.store import StoreUnavailable
from feature_repo.vocabulary import Vocabulary
from runtime.settings import KafkaSettings
from runtime.topics import TopicError
from serving.api.auth import Access
from streams.dead_letters import read_letters
from training.storage.snapshots import SnapshotError

__all__ = ["console_app"]

_STATIC = Path(__file__).with_name("static")
_USERS, _LETTERS = 50, 20
_HEADERS = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-store",
}


class _Console:
    """The endpoints; each answers with JSON, an event's travel with a line of it for each station."""

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        queries: Queries,
        rows: Rows,
        health: SystemHealth,
        kafka: KafkaSettings,
        read_only: bool,
    ) -> None:
        self._vocabulary, self._kafka, self._read_only = vocabulary, kafka, read_only
        self._queries, self._rows, self._health = queries, rows, health
        self._looking = asyncio.Lock()

    async def setup(self, request: Request) -> Response:
        """What the page needs to know before it asks for a user."""
        tasks = [{"name": task.name, "kind": task.kind} for task in self._vocabulary.tasks]
        actions = [] if self._read_only else possible_actions(self._vocabulary.tasks)
        return JSONResponse({"read_only": self._read_only, "tasks": tasks, "actions": actions})

    async def users(self, request: Request) -> Response:
        """Users whose events came last."""
        return JSONResponse(await asyncio.to_thread(recent_users, self._kafka, _USERS))

    async def lists(self, request: Request) -> Response:
        """The user's lists by type of item."""
        return JSONResponse(await self._queries.lists(_asked(request, "user")))

    async def features(self, request: Request) -> Response:
        """The user's features as stored; null for a user without any."""
        return JSONResponse(await self._rows.shown(_asked(request, "user")))

    async def why(self, request: Request) -> Response:
        """What moved each prediction of an item, and which of the user's past items pulled it."""
        return JSONResponse(await self._queries.why(_asked(request, "user"), _asked(request, "item")))

    async def system(self, request: Request) -> Response:
        """Freshness, latency, counts and learning curves."""
        async with self._looking:
            return JSONResponse(await asyncio.to_thread(self._health.look))

    async def dead_letters(self, request: Request) -> Response:
        """The newest dead letters, the newest first."""
        letters = await asyncio.to_thread(read_letters, self._kafka)
        shown = [
            {
                "name": letter.name,
                "at": letter.content.rejected_at,
                "topic": letter.content.topic,
                "reason": letter.content.reason,
                "detail": letter.content.detail,
            }
            for letter in reversed(letters[-_LETTERS:])
        ]
        return JSONResponse(shown)

    async def act(self, request: Request) -> Response:
        """Sends what a person did and answers with a line of JSON for each station of the event."""
        if request.headers.get("content-type") != "application/json":  # what another site's form cannot send
            return _error(415, "send application/json")
        origin = request.headers.get("origin")  # browsers name it with each POST
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            return _error(403, f"sent by a page of {origin[:100]}, not by this console's own: open the console itself")
        try:
            action = msgspec.json.decode(await request.body(), type=UserAction)
        except msgspec.MsgspecError as error:
            return _error(400, f"that is no action: {error}")
        return StreamingResponse(self._lines(action), media_type="application/x-ndjson")

    async def _lines(self, action: UserAction) -> AsyncIterator[bytes]:
        try:
            async for station in follow(action, self._queries, self._rows):
                yield msgspec.json.encode(station) + b"\n"
        except (grpc.RpcError, StoreUnavailable, RowSchemaError) as error:
            yield msgspec.json.encode({"station": "failed", "detail": _message(error)}) + b"\n"


def console_app(
    *,
    vocabulary: Vocabulary,
    queries: Queries,
    rows: Rows,
    health: SystemHealth,
    kafka: KafkaSettings,
    read_only: bool,
    hostnames: tuple[str, ...],
    access: Access | None = None,
) -> Starlette:
    """The application; a read-only one has no address that sends an event, and without `access` it is open to all."""
    console = _Console(vocabulary=vocabulary, queries=queries, rows=rows, health=health, kafka=kafka, read_only=read_only)
    routes = [
        Route("/healthz", lambda request: PlainTextResponse("ok\n")),
        Route("/api/setup", console.setup),
        Route("/api/users", console.users),
        Route("/api/lists", console.lists),
        Route("/api/features", console.features),
        Route("/api/why", console.why),
        Route("/api/system", console.system),
        Route("/api/dead-letters", console.dead_letters),
        *([] if read_only else [Route("/api/events", console.act, methods=["POST"])]),
        Mount("/", StaticFiles(directory=_STATIC, html=True)),
    ]
    failures = (grpc.RpcError, KafkaError, StoreUnavailable, RowSchemaError, SnapshotError, TopicError)
    handlers: dict[Any, Callable[[Request, Exception], Response]] = {
        **dict.fromkeys(failures, lambda request, error: _error(503, _message(error))),
        _UnaskedError: lambda request, error: _error(400, str(error)),
    }
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hostnames)), Middleware(_WithHeaders)]
    if access is not None:
        middleware.append(Middleware(Admitted, access=access))
    return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)


class _UnaskedError(ValueError):
    """A request without what it must name."""


class _WithHeaders:
    """Adds the headers that keep the page to itself: no other origin's scripts, frames or forms, nothing kept in caches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS.items()]
            await send(message)

        await self._app(scope, receive, sending)


def _asked(request: Request, name: str) -> str:
    value = request.query_params.get(name, "")
    if not value:
        raise _UnaskedError(f"say which {name}: ?{name}=...")
    return value


def _message(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"the server answered {error.code().name}: {error.details()}"
    return str(error)


def _error(status: int, detail: str) -> Response:
    return JSONResponse({"error": detail}, status_code=status)
