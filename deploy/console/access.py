"""Access to the console: holders of a token with the admin scope, which is also used for its gRPC calls."""

from contextvars import ContextVar

import grpc
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.api.auth import Access, Refusal

__all__ = ["Admitted", "caller"]

_METHOD = "the console"
"""No method of the server, so that it needs what methods without a scope of their own need: admin."""
_STATUS = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
}
_authorization: ContextVar[str] = ContextVar("authorization", default="")


def caller() -> tuple[tuple[str, str], ...]:
    """Metadata for a call in the name of whoever made the request that is being answered."""
    return (("authorization", _authorization.get()),) if _authorization.get() else ()


class Admitted:
    """Lets in requests to /api whose bearer token `access` accepts; the page itself tells nothing, and asks for the token."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        authorization = Headers(scope=scope).get("authorization", "")
        try:
            self._access.check(_METHOD, authorization)
        except Refusal as refusal:
            await JSONResponse({"error": refusal.detail}, status_code=_STATUS[refusal.code])(scope, receive, send)
            return
        _authorization.set(authorization)
        await self._app(scope, receive, send)
