"""Recent recommendations by request id: a retry gets the response of the first attempt, and no second set of impressions."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias, TypeVar

from headwater.v1 import recommender_pb2 as pb
from serving.api.errors import InvalidRequest

__all__ = ["RecentRecommendations", "recommendation_id"]

_SECONDS = 600.0
"""For so long the contract promises the same recommendation (recommender.proto, request_id)."""

_Request: TypeAlias = pb.RecommendRequest | pb.RecommendSlatesRequest
_Response = TypeVar("_Response", pb.RecommendResponse, pb.RecommendSlatesResponse)
_Made = TypeVar("_Made")


def recommendation_id(user_id: str, request_id: str) -> str:
    """The id that every server gives to the recommendation of a request, so that impressions written twice count once."""
    return blake2b(f"{len(user_id)}:{user_id}{request_id}".encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    request: bytes
    """A hash of the request; another request under the same id is refused."""
    expires: float
    response: "asyncio.Future[bytes]"

    @property
    def size(self) -> int:
        """Bytes of the response, 0 while it is being made."""
        return len(self.response.result()) if self.response.done() else 0


class RecentRecommendations:
    """Responses of the last ten minutes, at most `max_bytes` of them: beyond that, the oldest are forgotten early.

    For one event loop of one process. `repeated` is called for each response that is given once more.
    """

    def __init__(self, *, max_bytes: int, repeated: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._repeated = repeated
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._bytes = 0

    async def once(
        self, request: _Request, kind: type[_Response], make: Callable[[], Awaitable[tuple[_Response, _Made]]]
    ) -> tuple[_Response, _Made | None]:
        """What `make` returns; for a retry, the response of the first attempt and None, as soon as that is there.

        An attempt that fails is forgotten, and a retry that waits for it makes the next one.

        Raises:
            InvalidRequest: the id was used for another request.
            Exception: what `make` raises.
        """
        if not request.request_id:
            return await make()
        key, fingerprint = (request.user_id, request.request_id), _fingerprint(request)
        self._shrink()
        while (earlier := self._entries.get(key)) is not None:
            if earlier.request != fingerprint:
                raise InvalidRequest("request_id", "another request had this id; give each list an id of its own")
            await asyncio.wait([earlier.response])
            if not earlier.response.cancelled():
                self._repeated()
                return kind.FromString(earlier.response.result()), None
        entry = _Entry(fingerprint, self._clock() + _SECONDS, asyncio.get_running_loop().create_future())
        self._entries[key] = entry
        try:
            response, made = await make()
        except BaseException:
            if self._entries.get(key) is entry:
                del self._entries[key]
            entry.response.cancel()
            raise
        entry.response.set_result(response.SerializeToString())
        if self._entries.get(key) is entry:
            self._bytes += entry.size
            self._shrink()
        return response, made

    def _shrink(self) -> None:
        """Forgets what is too old, and the oldest of what is too much."""
        now = self._clock()
        while self._entries:
            entry = next(iter(self._entries.values()))
            if entry.expires > now and self._bytes <= self._max_bytes:
                return
            self._entries.popitem(last=False)
            self._bytes -= entry.size


def _fingerprint(request: _Request) -> bytes:
    content = request.SerializeToString(deterministic=True)
    return blake2b(content, digest_size=16, person=type(request).__name__.encode()[:16]).digest()
