"""Conversion between the wire's messages and the data plane's questions and answers."""

import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.timestamp_pb2 import Timestamp

from headwater.v1 import recommender_pb2 as pb
from serving.api.requests import (
    Boost,
    Cap,
    Condition,
    ExplainQuery,
    Exploration,
    Filter,
    Interaction,
    Pin,
    RecommendQuery,
    Rules,
    ScoreQuery,
    SlateQuery,
)
from serving.api.responses import Info, RankedSlate, Recommendation, Scored
from serving.api.retries import recommendation_id
from serving.api.validation import MAX_ID, seconds_of
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


_TITLE = 1000  # characters; entries may have far longer ones, and a page has a thousand items


def score_query(request: pb.ScoreRequest, seconds: float) -> ScoreQuery:
    return ScoreQuery(
        user_id=request.user_id,
        item_ids=list(request.item_ids),
        tasks=list(request.tasks),
        seconds=seconds,
    )


def score_response(scored: Scored) -> pb.ScoreResponse:
    response = pb.ScoreResponse(tasks=scored.tasks, info=_info(scored.info))
    add = response.items.add  # what is at its default is not passed: each argument costs a fifth of an item
    for item_id, values in zip(scored.item_ids, scored.values_BT.tolist(), strict=True):
        add(item_id=item_id, values=values)
    for at in np.flatnonzero(scored.unknown_B).tolist():
        response.items[at].unknown_item = True
    return response


def recommend_query(request: pb.RecommendRequest, seconds: float) -> RecommendQuery:
    return _query(request, (_slate(request.list, "", "list"),), seconds)


def slates_query(request: pb.RecommendSlatesRequest, seconds: float) -> RecommendQuery:
    return _query(
        request,
        tuple(_slate(slate.list, slate.name, f"slates[{at}].list") for at, slate in enumerate(request.slates)),
        seconds,
    )


def recommend_response(answer: Recommendation) -> pb.RecommendResponse:
    response = pb.RecommendResponse(tasks=_shown(answer), info=_info(answer.info))
    [slate] = answer.slates
    _fill(response.items, slate, answer.columns)
    return response


def slates_response(answer: Recommendation) -> pb.RecommendSlatesResponse:
    response = pb.RecommendSlatesResponse(tasks=_shown(answer), info=_info(answer.info))
    for slate in answer.slates:
        _fill(response.slates.add(name=slate.name).items, slate, answer.columns)
    return response


def explain_query(request: pb.ExplainRequest, seconds: float) -> ExplainQuery:
    return ExplainQuery(user_id=request.user_id, item_id=request.item_id, tasks=list(request.tasks), seconds=seconds)


def explain_response(explained: Explained) -> pb.ExplainResponse:
    response = pb.ExplainResponse(info=_info(explained.info))
    for task in explained.tasks:
        made = response.tasks.add(task=task.task, prediction=task.prediction, baseline=task.baseline)
        for reason in task.reasons:
            made.reasons.add(name=reason.name, summary=reason.summary, contribution=reason.contribution)
        for feature in task.features:
            made.features.add(feature=feature.name, value=feature.value, contribution=feature.contribution)
        for past in task.past_items:
            past_item = made.past_items.add(
                item_id=past.item_id, title=past.title, contribution=past.contribution, summary=past.summary
            )
            past_item.acted_at.CopyFrom(_stamp(past.acted_at))
    return response


def record_response(recorded: Recorded) -> pb.RecordEventsResponse:
    invalid, try_again = pb.RejectedEvent.CODE_INVALID, pb.RejectedEvent.CODE_TRY_AGAIN
    rejected = [
        pb.RejectedEvent(
            index=one.index, event_id=one.event_id[:MAX_ID], code=invalid if one.invalid else try_again, detail=one.detail
        )
        for one in recorded.refused
    ]
    return pb.RecordEventsResponse(accepted=recorded.accepted, rejected=rejected)


def _shown(answer: Recommendation) -> list[str]:
    return [answer.tasks[column] for column in answer.columns]


def _fill(items: "RepeatedCompositeFieldContainer[pb.RankedItem]", slate: RankedSlate, columns: Sequence[int]) -> None:
    if not slate.items:
        return
    values_KT = np.stack([item.values_T for item in slate.items])[:, columns].tolist()
    for item, values in zip(slate.items, values_KT, strict=True):
        made = items.add(
            item_id=item.item_id, rank_score=item.rank_score, values=values, type=item.type, title=item.title[:_TITLE]
        )
        if item.pinned:
            made.pinned = True
        if item.propensity is not None:
            made.propensity = item.propensity


def _query(
    request: pb.RecommendRequest | pb.RecommendSlatesRequest, slates: tuple[SlateQuery, ...], seconds: float
) -> RecommendQuery:
    named = {"recommendation_id": recommendation_id(request.user_id, request.request_id)} if request.request_id else {}
    return RecommendQuery(
        **named,
        user_id=request.user_id,
        request_id=request.request_id,
        slates=slates,
        tasks=list(request.tasks),
        exclude_item_ids=list(request.exclude_item_ids),
        context_text=request.context_text,
        preview=request.preview,
        seconds=seconds,
    )


def _slate(wanted: pb.ListSpec, name: str, path: str) -> SlateQuery:
    exploration = wanted.exploration
    leave_out: tuple[Interaction, ...] = (Interaction(),)
    if wanted.HasField("leave_out"):
        leave_out = tuple(map(_interaction, wanted.leave_out.any_of))
    elif wanted.include_seen:
        leave_out = ()
    return SlateQuery(
        name=name,
        path=path,
        count=wanted.count,
        item_types=frozenset(wanted.item_types),
        filter=_filter(wanted.filter),
        leave_out=leave_out,
        task_weights=dict(wanted.task_weights),
        diversity=wanted.diversity,
        rules=_rules(wanted.rules),
        exploration=Exploration(temperature=exploration.temperature, candidate_count=exploration.candidate_count),
    )


def _filter(wanted: pb.Filter) -> Filter:
    return Filter(
        conditions=tuple(map(_condition, wanted.conditions)),
        published_within_seconds=seconds_of(wanted.published_within) if wanted.HasField("published_within") else math.inf,
    )


def _interaction(wanted: pb.Interaction) -> Interaction:
    return Interaction(task=wanted.task, within_seconds=seconds_of(wanted.within) if wanted.HasField("within") else math.inf)


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
        boosts=tuple(Boost(condition=_condition(boost.condition), score_delta=boost.score_delta) for boost in wanted.boosts),
    )


def _info(info: Info) -> pb.ResponseInfo:
    degradations = [pb.Degradation(reason=f"REASON_{one.reason.name}", detail=one.detail) for one in info.degradations]
    message = pb.ResponseInfo(
        recommendation_id=info.recommendation_id,
        model_version=info.model_version,
        degradations=degradations,
        short_lists=[pb.ShortList(**asdict(one)) for one in info.short_lists],
    )
    if info.features_as_of is not None:
        message.features_as_of.CopyFrom(_stamp(info.features_as_of))
    return message


def _stamp(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromNanoseconds(round(seconds * 1e6) * 1000)
    return stamp
