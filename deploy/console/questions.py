"""Owns what the page asks of the gRPC server: one list for each type of item, scores, and taking an event."""

from collections.abc import Sequence
from typing import Any

from protos.events_pb2 import Event
from protos.recommender_pb2 import (
    Degradation,
    RecommendRequest,
    RecommendResponse,
    RecordEventsRequest,
    ResponseInfo,
    ScoreRequest,
    ScoreResponse,
)
from protos.recommender_pb2_grpc import RecommenderStub

__all__ = ["Questions"]

_DEADLINE_SECONDS = 10.0
_FIRST_LOOK = 60


class Questions:
    """Asks the server behind `stub`. Types of items are those of the tasks and those that answers have shown so far."""

    def __init__(self, stub: RecommenderStub, *, item_types: Sequence[str], per_list: int = 6) -> None:
        self._stub = stub
        self._types = dict.fromkeys(item_types)
        self._per_list = per_list

    async def lists(self, user_id: str) -> dict[str, Any]:
        """The user's lists by type of item, the best first, as the page shows them; each is an impression of its items."""
        if not self._types:
            for item in (await self._recommend(user_id, (), _FIRST_LOOK)).items:
                self._types[item.type] = None
        answers = [(kind, await self._recommend(user_id, (kind,), self._per_list)) for kind in self._types]
        lists = [_listed(kind, answer) for kind, answer in answers if answer.items]
        infos = [answer.info for _, answer in answers]
        return {"lists": lists, "info": _info(infos[-1]) if infos else None}

    async def score(self, user_id: str, item_ids: Sequence[str]) -> ScoreResponse:
        """Scores of the items by task; no impressions come of it."""
        request = ScoreRequest(user_id=user_id, item_ids=item_ids)
        response: ScoreResponse = await self._stub.Score(request, timeout=_DEADLINE_SECONDS)
        return response

    async def features_as_of(self, user_id: str, item_id: str) -> float:
        """Event time of the newest event that an answer counts by now, Unix seconds; 0 where none does."""
        return (await self.score(user_id, [item_id])).info.features_as_of.ToNanoseconds() / 1e9

    async def record(self, event: Event) -> None:
        """Returns once the log has acknowledged the event; raises ValueError with the server's words if it refuses it."""
        response = await self._stub.RecordEvents(RecordEventsRequest(events=[event]), timeout=_DEADLINE_SECONDS)
        if response.rejected:
            raise ValueError(response.rejected[0].detail)

    async def _recommend(self, user_id: str, item_types: Sequence[str], count: int) -> RecommendResponse:
        request = RecommendRequest(user_id=user_id, count=count, item_types=item_types)
        response: RecommendResponse = await self._stub.Recommend(request, timeout=_DEADLINE_SECONDS)
        return response


def _listed(kind: str, answer: RecommendResponse) -> dict[str, Any]:
    items = [
        {"item_id": item.item_id, "title": item.title, "rank_score": item.rank_score, "scores": dict(item.scores)}
        for item in answer.items
    ]
    return {"type": kind, "recommendation_id": answer.info.recommendation_id, "items": items}


def _info(info: ResponseInfo) -> dict[str, Any]:
    return {
        "model_version": info.model_version,
        "features_as_of": info.features_as_of.ToNanoseconds() / 1e9 if info.HasField("features_as_of") else None,
        "degradations": [{"reason": Degradation.Reason.Name(one.reason), "detail": one.detail} for one in info.degradations],
    }
