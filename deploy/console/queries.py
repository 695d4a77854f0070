"""gRPC requests of the console: one list for each type of item, scores, and recording an event."""

from collections.abc import Sequence
from typing import Any

from deploy.console.access import caller
from headwater.client import by_task
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2 import (
    Condition,
    Degradation,
    ExplainRequest,
    ExplainResponse,
    Filter,
    ListSpec,
    RankedSlate,
    RecommendRequest,
    RecommendSlatesRequest,
    RecommendSlatesResponse,
    RecordEventsRequest,
    ResponseInfo,
    ScoreRequest,
    ScoreResponse,
    Slate,
)
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub

__all__ = ["Queries"]

_DEADLINE_SECONDS = 10.0
_MOST_LISTS = 16


class Queries:
    """Asks the server behind `stub`, in the name of whoever looks.

    There is a list for each type that the server has items of: first those that the tasks name, in their order.

    All lists are previews: a GET, which any site can have a browser send, must write nothing, impressions least of all.
    """

    def __init__(self, stub: RecommenderServiceStub, *, item_types: Sequence[str], per_list: int = 6) -> None:
        self._stub = stub
        self._named = list(item_types)
        self._types: list[str] = []
        self._per_list = per_list

    async def lists(self, user_id: str) -> dict[str, Any]:
        """The user's page: a list for each type of item, the best first, as the page shows them."""
        types = await self._found_types(user_id)
        if not types:
            return {"lists": [], "info": None}
        slates = [Slate(name=kind or "items", list=ListSpec(count=self._per_list, item_types=[kind])) for kind in types]
        request = RecommendSlatesRequest(user_id=user_id, slates=slates, preview=True)
        self._types = []  # looked up again in case the last item of a type is gone, which is refused
        answer: RecommendSlatesResponse = await self._stub.RecommendSlates(request, timeout=_DEADLINE_SECONDS, metadata=caller())
        self._types = types
        lists = [_listed(slate, answer.tasks) for slate in answer.slates if slate.items]
        return {"lists": lists, "info": _info(answer.info)}

    async def _found_types(self, user_id: str) -> list[str]:
        """The types found before and, asked for one after the other, all further ones."""
        types = list(self._types)
        while len(types) < _MOST_LISTS:
            others = Filter(conditions=[Condition(field="type", none_of=types)] if types else [])
            look = RecommendRequest(user_id=user_id, list=ListSpec(count=1, filter=others, include_seen=True), preview=True)
            found = await self._stub.Recommend(look, timeout=_DEADLINE_SECONDS, metadata=caller())
            if not found.items:
                break
            types.append(found.items[0].type)
        return sorted(types, key=lambda kind: self._named.index(kind) if kind in self._named else len(self._named))

    async def score(self, user_id: str, item_ids: Sequence[str]) -> ScoreResponse:
        """Scores of the items by task; no impressions come of it."""
        request = ScoreRequest(user_id=user_id, item_ids=item_ids)
        response: ScoreResponse = await self._stub.Score(request, timeout=_DEADLINE_SECONDS, metadata=caller())
        return response

    async def why(self, user_id: str, item_id: str) -> list[dict[str, Any]]:
        """For each task about the item: its prediction, that of an average user and item, and what moved it from there."""
        request = ExplainRequest(user_id=user_id, item_id=item_id)
        answer: ExplainResponse = await self._stub.Explain(request, timeout=_DEADLINE_SECONDS, metadata=caller())
        return [
            {
                "task": task.task,
                "prediction": task.prediction,
                "baseline": task.baseline,
                "reasons": [{"summary": one.summary, "contribution": one.contribution} for one in task.reasons],
                "past_items": [{"summary": one.summary, "contribution": one.contribution} for one in task.past_items],
            }
            for task in answer.tasks
        ]

    async def features_as_of(self, user_id: str, item_id: str) -> float:
        """Event time of the newest event that an answer counts by now, Unix seconds; 0 where none does."""
        return (await self.score(user_id, [item_id])).info.features_as_of.ToNanoseconds() / 1e9

    async def record(self, event: Event) -> None:
        """Returns once the log has acknowledged the event; raises ValueError with the server's words if it refuses it."""
        request = RecordEventsRequest(events=[event])
        response = await self._stub.RecordEvents(request, timeout=_DEADLINE_SECONDS, metadata=caller())
        if response.rejected:
            raise ValueError(response.rejected[0].detail)


def _listed(slate: RankedSlate, tasks: Sequence[str]) -> dict[str, Any]:
    items = [
        {
            "item_id": item.item_id,
            "title": item.title,
            "rank_score": item.rank_score,
            "scores": by_task(tasks, item.values),
        }
        for item in slate.items
    ]
    return {"type": slate.name, "items": items}


def _info(info: ResponseInfo) -> dict[str, Any]:
    return {
        "recommendation_id": info.recommendation_id,
        "model_version": info.model_version,
        "features_as_of": info.features_as_of.ToNanoseconds() / 1e9 if info.HasField("features_as_of") else None,
        "short_lists": [{"slate": one.slate, "detail": one.detail} for one in info.short_lists],
        "degradations": [{"reason": Degradation.Reason.Name(one.reason), "detail": one.detail} for one in info.degradations],
    }
