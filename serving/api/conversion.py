"""Owns conversion between the wire's messages and the data plane's questions and answers."""

from collections.abc import MutableMapping

from google.protobuf.timestamp_pb2 import Timestamp

from headwater.v1 import recommender_pb2 as pb
from serving.api.requests import (
    Acted,
    Boost,
    Cap,
    Condition,
    ExplainQuery,
    Exploration,
    Filter,
    Pin,
    RecommendQuery,
    Rules,
    ScoreQuery,
    SlateQuery,
)
from serving.api.responses import Info, RankedItem, Recommendation, Scored
from serving.api.score_bytes import item_scores
from serving.events import Recorded
from serving.explain import Explained

__all__ = [
    "explain_query",
    "explain_response",
    "recommend_query",
    "recommend_response",
    "record_response",
    "score_query",
    "score_response",
    "slates_query",
    "slates_response",
]


def score_query(request: pb.ScoreRequest, seconds: float) -> ScoreQuery:
    return ScoreQuery(
        user_id=request.user_id,
        item_ids=list(request.item_ids),
        tasks=list(request.tasks),
        context_text=request.context_text,
        seconds=seconds,
    )


def score_response(scored: Scored) -> pb.ScoreResponse:
    response = pb.ScoreResponse(info=_info(scored.info))
    response.MergeFromString(item_scores(scored))
    return response


def recommend_query(request: pb.RecommendRequest, seconds: float) -> RecommendQuery:
    return _query(request, (_slate(request, ""),), seconds)


def slates_query(request: pb.RecommendSlatesRequest, seconds: float) -> RecommendQuery:
    return _query(request, tuple(_slate(slate, slate.name) for slate in request.slates), seconds)


def recommend_response(answer: Recommendation) -> pb.RecommendResponse:
    response = pb.RecommendResponse(info=_info(answer.info))
    [slate] = answer.slates
    for item in slate.items:
        _fill_ranked(response.items.add(), answer.tasks, item)
    return response


def slates_response(answer: Recommendation) -> pb.RecommendSlatesResponse:
    response = pb.RecommendSlatesResponse(info=_info(answer.info))
    for slate in answer.slates:
        ranked = response.slates.add(name=slate.name)
        for item in slate.items:
            _fill_ranked(ranked.items.add(), answer.tasks, item)
    return response


def explain_query(request: pb.ExplainRequest, seconds: float) -> ExplainQuery:
    return ExplainQuery(user_id=request.user_id, item_id=request.item_id, tasks=list(request.tasks), seconds=seconds)


def explain_response(explained: Explained) -> pb.ExplainResponse:
    response = pb.ExplainResponse(info=_info(explained.info))
    for task in explained.tasks:
        made = response.tasks.add(task=task.task, prediction=task.prediction, baseline=task.baseline)
        for reason in task.reasons:
            made.reasons.add(name=reason.name, words=reason.words, contribution=reason.contribution)
        for feature in task.features:
            made.features.add(feature=feature.name, value=feature.value, contribution=feature.contribution)
        for past in task.past_items:
            past_item = made.past_items.add(
                item_id=past.item_id, title=past.title, contribution=past.contribution, words=past.words
            )
            past_item.acted_at.CopyFrom(_stamp(past.acted_at))
    return response


def record_response(recorded: Recorded) -> pb.RecordEventsResponse:
    rejected = [pb.RejectedEvent(index=one.index, event_id=one.event_id, detail=one.detail) for one in recorded.refused]
    return pb.RecordEventsResponse(accepted=recorded.accepted, rejected=rejected)


def _fill_ranked(ranked: pb.RankedItem, tasks: tuple[str, ...], item: RankedItem) -> None:
    ranked.item_id, ranked.type, ranked.title = item.item_id, item.type, item.title
    ranked.rank_score, ranked.pinned = item.rank_score, item.pinned
    if item.propensity is not None:
        ranked.propensity = item.propensity
    _fill(ranked.scores, tasks, item.values_T.tolist())


def _query(
    request: pb.RecommendRequest | pb.RecommendSlatesRequest, slates: tuple[SlateQuery, ...], seconds: float
) -> RecommendQuery:
    return RecommendQuery(
        user_id=request.user_id,
        slates=slates,
        exclude_item_ids=list(request.exclude_item_ids),
        context_text=request.context_text,
        preview=request.preview,
        seconds=seconds,
    )


def _slate(wanted: pb.RecommendRequest | pb.Slate, name: str) -> SlateQuery:
    exploration = wanted.exploration
    return SlateQuery(
        name=name,
        count=wanted.count,
        item_types=frozenset(wanted.item_types),
        task_weights=dict(wanted.task_weights),
        include_seen=wanted.include_seen,
        filter=_filter(wanted.filter),
        diversity=wanted.diversity,
        rules=_rules(wanted.rules),
        exploration=Exploration(temperature=exploration.temperature, among=exploration.among),
    )


def _filter(wanted: pb.Filter) -> Filter:
    return Filter(
        conditions=tuple(map(_condition, wanted.conditions)),
        published_within_seconds=wanted.published_within_seconds,
        leave_out=tuple(Acted(task=acted.task, within_seconds=acted.within_seconds) for acted in wanted.leave_out),
    )


def _condition(wanted: pb.Condition) -> Condition:
    return Condition(
        field=wanted.field,
        any_of=tuple(wanted.any_of),
        none_of=tuple(wanted.none_of),
        at_least=wanted.at_least if wanted.HasField("at_least") else None,
        at_most=wanted.at_most if wanted.HasField("at_most") else None,
    )


def _rules(wanted: pb.Rules) -> Rules:
    return Rules(
        pins=tuple(Pin(item_id=pin.item_id, position=pin.position) for pin in wanted.pins),
        caps=tuple(Cap(field=cap.field, at_most=cap.at_most) for cap in wanted.caps),
        boosts=tuple(Boost(condition=_condition(boost.condition), add=boost.add) for boost in wanted.boosts),
    )


def _fill(scores: MutableMapping[str, float], tasks: tuple[str, ...], values: list[float]) -> None:
    for task, value in zip(tasks, values, strict=True):
        if value == value:  # NaN: the task is about other types of items
            scores[task] = value


def _info(info: Info) -> pb.ResponseInfo:
    degradations = [pb.Degradation(reason=one.reason.name, detail=one.detail) for one in info.degradations]
    message = pb.ResponseInfo(
        recommendation_id=info.recommendation_id, model_version=info.model_version, degradations=degradations
    )
    if info.features_as_of is not None:
        message.features_as_of.CopyFrom(_stamp(info.features_as_of))
    return message


def _stamp(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromNanoseconds(round(seconds * 1e6) * 1000)
    return stamp
