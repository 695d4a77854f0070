"""Owns conversion between the wire's messages and the data plane's questions and answers."""

from google.protobuf.timestamp_pb2 import Timestamp

from protos import recommender_pb2 as pb
from serving.answers import Info, Recommendation, RecommendQuery, Scored, ScoreQuery
from serving.recording import Recorded

__all__ = ["recommend_query", "recommend_response", "record_response", "score_query", "score_response"]


def score_query(request: pb.ScoreRequest, seconds: float) -> ScoreQuery:
    return ScoreQuery(
        user_id=request.user_id,
        item_ids=list(request.item_ids),
        tasks=list(request.tasks),
        context_text=request.context_text,
        seconds=seconds,
    )


def score_response(scored: Scored) -> pb.ScoreResponse:
    rows = zip(scored.item_ids, scored.values_BT.tolist(), scored.unknown_B.tolist(), strict=True)
    items = [
        pb.ItemScores(item_id=item_id, scores=_scores(scored.tasks, values), unknown_item=unknown)
        for item_id, values, unknown in rows
    ]
    return pb.ScoreResponse(items=items, info=_info(scored.info))


def recommend_query(request: pb.RecommendRequest, seconds: float) -> RecommendQuery:
    return RecommendQuery(
        user_id=request.user_id,
        count=request.count,
        item_types=frozenset(request.item_types),
        task_weights=dict(request.task_weights),
        exclude_item_ids=list(request.exclude_item_ids),
        context_text=request.context_text,
        include_seen=request.include_seen,
        seconds=seconds,
    )


def recommend_response(answer: Recommendation) -> pb.RecommendResponse:
    items = [
        pb.RankedItem(
            item_id=item.item_id,
            rank_score=item.rank_score,
            scores=_scores(answer.tasks, item.values_T.tolist()),
            type=item.type,
            title=item.title,
        )
        for item in answer.items
    ]
    return pb.RecommendResponse(items=items, info=_info(answer.info))


def record_response(recorded: Recorded) -> pb.RecordEventsResponse:
    rejected = [pb.RejectedEvent(index=one.index, event_id=one.event_id, detail=one.detail) for one in recorded.refused]
    return pb.RecordEventsResponse(accepted=recorded.accepted, rejected=rejected)


def _scores(tasks: tuple[str, ...], values: list[float]) -> dict[str, float]:
    # NaN: the task is about other types of items.
    return {task: value for task, value in zip(tasks, values, strict=True) if value == value}


def _info(info: Info) -> pb.ResponseInfo:
    degradations = [pb.Degradation(reason=one.reason.name, detail=one.detail) for one in info.degradations]
    message = pb.ResponseInfo(
        recommendation_id=info.recommendation_id, model_version=info.model_version, degradations=degradations
    )
    if info.features_as_of is not None:
        stamp = Timestamp()
        stamp.FromNanoseconds(round(info.features_as_of * 1e6) * 1000)
        message.features_as_of.CopyFrom(stamp)
    return message
