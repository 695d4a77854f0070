import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from headwater.v1 import events_pb2 as _events_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreRequest(_message.Message):
    __slots__ = ("user_id", "item_ids", "tasks")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    tasks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, user_id: _Optional[str] = ..., item_ids: _Optional[_Iterable[str]] = ..., tasks: _Optional[_Iterable[str]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("tasks", "items", "info")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedScalarFieldContainer[str]
    items: _containers.RepeatedCompositeFieldContainer[ItemScores]
    info: ResponseInfo
    def __init__(self, tasks: _Optional[_Iterable[str]] = ..., items: _Optional[_Iterable[_Union[ItemScores, _Mapping]]] = ..., info: _Optional[_Union[ResponseInfo, _Mapping]] = ...) -> None: ...

class RecommendRequest(_message.Message):
    __slots__ = ("user_id", "list", "tasks", "exclude_item_ids", "context_text", "preview", "request_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TEXT_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    list: ListSpec
    tasks: _containers.RepeatedScalarFieldContainer[str]
    exclude_item_ids: _containers.RepeatedScalarFieldContainer[str]
    context_text: str
    preview: bool
    request_id: str
    def __init__(self, user_id: _Optional[str] = ..., list: _Optional[_Union[ListSpec, _Mapping]] = ..., tasks: _Optional[_Iterable[str]] = ..., exclude_item_ids: _Optional[_Iterable[str]] = ..., context_text: _Optional[str] = ..., preview: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class RecommendResponse(_message.Message):
    __slots__ = ("tasks", "items", "info")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedScalarFieldContainer[str]
    items: _containers.RepeatedCompositeFieldContainer[RankedItem]
    info: ResponseInfo
    def __init__(self, tasks: _Optional[_Iterable[str]] = ..., items: _Optional[_Iterable[_Union[RankedItem, _Mapping]]] = ..., info: _Optional[_Union[ResponseInfo, _Mapping]] = ...) -> None: ...

class RecommendSlatesRequest(_message.Message):
    __slots__ = ("user_id", "slates", "tasks", "exclude_item_ids", "context_text", "preview", "request_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SLATES_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TEXT_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    slates: _containers.RepeatedCompositeFieldContainer[Slate]
    tasks: _containers.RepeatedScalarFieldContainer[str]
    exclude_item_ids: _containers.RepeatedScalarFieldContainer[str]
    context_text: str
    preview: bool
    request_id: str
    def __init__(self, user_id: _Optional[str] = ..., slates: _Optional[_Iterable[_Union[Slate, _Mapping]]] = ..., tasks: _Optional[_Iterable[str]] = ..., exclude_item_ids: _Optional[_Iterable[str]] = ..., context_text: _Optional[str] = ..., preview: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class Slate(_message.Message):
    __slots__ = ("name", "list")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    name: str
    list: ListSpec
    def __init__(self, name: _Optional[str] = ..., list: _Optional[_Union[ListSpec, _Mapping]] = ...) -> None: ...

class RecommendSlatesResponse(_message.Message):
    __slots__ = ("tasks", "slates", "info")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    SLATES_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedScalarFieldContainer[str]
    slates: _containers.RepeatedCompositeFieldContainer[RankedSlate]
    info: ResponseInfo
    def __init__(self, tasks: _Optional[_Iterable[str]] = ..., slates: _Optional[_Iterable[_Union[RankedSlate, _Mapping]]] = ..., info: _Optional[_Union[ResponseInfo, _Mapping]] = ...) -> None: ...

class RankedSlate(_message.Message):
    __slots__ = ("name", "items")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    name: str
    items: _containers.RepeatedCompositeFieldContainer[RankedItem]
    def __init__(self, name: _Optional[str] = ..., items: _Optional[_Iterable[_Union[RankedItem, _Mapping]]] = ...) -> None: ...

class ListSpec(_message.Message):
    __slots__ = ("count", "item_types", "filter", "include_seen", "leave_out", "task_weights", "diversity", "rules", "exploration")
    class TaskWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    COUNT_FIELD_NUMBER: _ClassVar[int]
    ITEM_TYPES_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SEEN_FIELD_NUMBER: _ClassVar[int]
    LEAVE_OUT_FIELD_NUMBER: _ClassVar[int]
    TASK_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    EXPLORATION_FIELD_NUMBER: _ClassVar[int]
    count: int
    item_types: _containers.RepeatedScalarFieldContainer[str]
    filter: Filter
    include_seen: bool
    leave_out: Interactions
    task_weights: _containers.ScalarMap[str, float]
    diversity: float
    rules: Rules
    exploration: Exploration
    def __init__(self, count: _Optional[int] = ..., item_types: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[Filter, _Mapping]] = ..., include_seen: _Optional[bool] = ..., leave_out: _Optional[_Union[Interactions, _Mapping]] = ..., task_weights: _Optional[_Mapping[str, float]] = ..., diversity: _Optional[float] = ..., rules: _Optional[_Union[Rules, _Mapping]] = ..., exploration: _Optional[_Union[Exploration, _Mapping]] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("conditions", "published_within")
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_WITHIN_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[Condition]
    published_within: _duration_pb2.Duration
    def __init__(self, conditions: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ..., published_within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ("field", "any_of", "none_of", "at_least", "at_most")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    NONE_OF_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_FIELD_NUMBER: _ClassVar[int]
    field: str
    any_of: _containers.RepeatedScalarFieldContainer[str]
    none_of: _containers.RepeatedScalarFieldContainer[str]
    at_least: float
    at_most: float
    def __init__(self, field: _Optional[str] = ..., any_of: _Optional[_Iterable[str]] = ..., none_of: _Optional[_Iterable[str]] = ..., at_least: _Optional[float] = ..., at_most: _Optional[float] = ...) -> None: ...

class Interactions(_message.Message):
    __slots__ = ("any_of",)
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    any_of: _containers.RepeatedCompositeFieldContainer[Interaction]
    def __init__(self, any_of: _Optional[_Iterable[_Union[Interaction, _Mapping]]] = ...) -> None: ...

class Interaction(_message.Message):
    __slots__ = ("task", "within")
    TASK_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    task: str
    within: _duration_pb2.Duration
    def __init__(self, task: _Optional[str] = ..., within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Rules(_message.Message):
    __slots__ = ("pins", "caps", "boosts")
    PINS_FIELD_NUMBER: _ClassVar[int]
    CAPS_FIELD_NUMBER: _ClassVar[int]
    BOOSTS_FIELD_NUMBER: _ClassVar[int]
    pins: _containers.RepeatedCompositeFieldContainer[Pin]
    caps: _containers.RepeatedCompositeFieldContainer[Cap]
    boosts: _containers.RepeatedCompositeFieldContainer[Boost]
    def __init__(self, pins: _Optional[_Iterable[_Union[Pin, _Mapping]]] = ..., caps: _Optional[_Iterable[_Union[Cap, _Mapping]]] = ..., boosts: _Optional[_Iterable[_Union[Boost, _Mapping]]] = ...) -> None: ...

class Pin(_message.Message):
    __slots__ = ("item_id", "position")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    position: int
    def __init__(self, item_id: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class Cap(_message.Message):
    __slots__ = ("field", "at_most")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_FIELD_NUMBER: _ClassVar[int]
    field: str
    at_most: int
    def __init__(self, field: _Optional[str] = ..., at_most: _Optional[int] = ...) -> None: ...

class Boost(_message.Message):
    __slots__ = ("condition", "score_delta")
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    SCORE_DELTA_FIELD_NUMBER: _ClassVar[int]
    condition: Condition
    score_delta: float
    def __init__(self, condition: _Optional[_Union[Condition, _Mapping]] = ..., score_delta: _Optional[float] = ...) -> None: ...

class Exploration(_message.Message):
    __slots__ = ("temperature", "candidate_count")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    candidate_count: int
    def __init__(self, temperature: _Optional[float] = ..., candidate_count: _Optional[int] = ...) -> None: ...

class ItemScores(_message.Message):
    __slots__ = ("item_id", "values", "unknown_item")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_ITEM_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    values: _containers.RepeatedScalarFieldContainer[float]
    unknown_item: bool
    def __init__(self, item_id: _Optional[str] = ..., values: _Optional[_Iterable[float]] = ..., unknown_item: _Optional[bool] = ...) -> None: ...

class RankedItem(_message.Message):
    __slots__ = ("item_id", "rank_score", "values", "type", "title", "pinned", "propensity")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    RANK_SCORE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    rank_score: float
    values: _containers.RepeatedScalarFieldContainer[float]
    type: str
    title: str
    pinned: bool
    propensity: float
    def __init__(self, item_id: _Optional[str] = ..., rank_score: _Optional[float] = ..., values: _Optional[_Iterable[float]] = ..., type: _Optional[str] = ..., title: _Optional[str] = ..., pinned: _Optional[bool] = ..., propensity: _Optional[float] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("user_id", "item_id", "tasks")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    item_id: str
    tasks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, user_id: _Optional[str] = ..., item_id: _Optional[str] = ..., tasks: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("tasks", "info")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskExplanation]
    info: ResponseInfo
    def __init__(self, tasks: _Optional[_Iterable[_Union[TaskExplanation, _Mapping]]] = ..., info: _Optional[_Union[ResponseInfo, _Mapping]] = ...) -> None: ...

class TaskExplanation(_message.Message):
    __slots__ = ("task", "prediction", "baseline", "reasons", "features", "past_items")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    PAST_ITEMS_FIELD_NUMBER: _ClassVar[int]
    task: str
    prediction: float
    baseline: float
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    features: _containers.RepeatedCompositeFieldContainer[FeatureContribution]
    past_items: _containers.RepeatedCompositeFieldContainer[PastItem]
    def __init__(self, task: _Optional[str] = ..., prediction: _Optional[float] = ..., baseline: _Optional[float] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., features: _Optional[_Iterable[_Union[FeatureContribution, _Mapping]]] = ..., past_items: _Optional[_Iterable[_Union[PastItem, _Mapping]]] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("name", "summary", "contribution")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    summary: str
    contribution: float
    def __init__(self, name: _Optional[str] = ..., summary: _Optional[str] = ..., contribution: _Optional[float] = ...) -> None: ...

class FeatureContribution(_message.Message):
    __slots__ = ("feature", "value", "contribution")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    feature: str
    value: float
    contribution: float
    def __init__(self, feature: _Optional[str] = ..., value: _Optional[float] = ..., contribution: _Optional[float] = ...) -> None: ...

class PastItem(_message.Message):
    __slots__ = ("item_id", "title", "acted_at", "contribution", "summary")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ACTED_AT_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    title: str
    acted_at: _timestamp_pb2.Timestamp
    contribution: float
    summary: str
    def __init__(self, item_id: _Optional[str] = ..., title: _Optional[str] = ..., acted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., contribution: _Optional[float] = ..., summary: _Optional[str] = ...) -> None: ...

class ResponseInfo(_message.Message):
    __slots__ = ("recommendation_id", "model_version", "features_as_of", "degradations", "short_lists")
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_AS_OF_FIELD_NUMBER: _ClassVar[int]
    DEGRADATIONS_FIELD_NUMBER: _ClassVar[int]
    SHORT_LISTS_FIELD_NUMBER: _ClassVar[int]
    recommendation_id: str
    model_version: str
    features_as_of: _timestamp_pb2.Timestamp
    degradations: _containers.RepeatedCompositeFieldContainer[Degradation]
    short_lists: _containers.RepeatedCompositeFieldContainer[ShortList]
    def __init__(self, recommendation_id: _Optional[str] = ..., model_version: _Optional[str] = ..., features_as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., degradations: _Optional[_Iterable[_Union[Degradation, _Mapping]]] = ..., short_lists: _Optional[_Iterable[_Union[ShortList, _Mapping]]] = ...) -> None: ...

class ShortList(_message.Message):
    __slots__ = ("slate", "wanted", "returned", "catalogue_items", "of_other_types", "filtered", "excluded", "acted_on", "detail")
    SLATE_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    OF_OTHER_TYPES_FIELD_NUMBER: _ClassVar[int]
    FILTERED_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_FIELD_NUMBER: _ClassVar[int]
    ACTED_ON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    slate: str
    wanted: int
    returned: int
    catalogue_items: int
    of_other_types: int
    filtered: int
    excluded: int
    acted_on: int
    detail: str
    def __init__(self, slate: _Optional[str] = ..., wanted: _Optional[int] = ..., returned: _Optional[int] = ..., catalogue_items: _Optional[int] = ..., of_other_types: _Optional[int] = ..., filtered: _Optional[int] = ..., excluded: _Optional[int] = ..., acted_on: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class Degradation(_message.Message):
    __slots__ = ("reason", "detail")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[Degradation.Reason]
        REASON_UNKNOWN_USER: _ClassVar[Degradation.Reason]
        REASON_UNKNOWN_ITEM: _ClassVar[Degradation.Reason]
        REASON_STORE_UNAVAILABLE: _ClassVar[Degradation.Reason]
        REASON_NO_MODEL: _ClassVar[Degradation.Reason]
        REASON_CONTEXT_SKIPPED: _ClassVar[Degradation.Reason]
        REASON_EMPTY_CATALOGUE: _ClassVar[Degradation.Reason]
        REASON_STALE_FEATURES: _ClassVar[Degradation.Reason]
    REASON_UNSPECIFIED: Degradation.Reason
    REASON_UNKNOWN_USER: Degradation.Reason
    REASON_UNKNOWN_ITEM: Degradation.Reason
    REASON_STORE_UNAVAILABLE: Degradation.Reason
    REASON_NO_MODEL: Degradation.Reason
    REASON_CONTEXT_SKIPPED: Degradation.Reason
    REASON_EMPTY_CATALOGUE: Degradation.Reason
    REASON_STALE_FEATURES: Degradation.Reason
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    reason: Degradation.Reason
    detail: str
    def __init__(self, reason: _Optional[_Union[Degradation.Reason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class RecordEventsRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_events_pb2.Event]
    def __init__(self, events: _Optional[_Iterable[_Union[_events_pb2.Event, _Mapping]]] = ...) -> None: ...

class RecordEventsResponse(_message.Message):
    __slots__ = ("accepted", "rejected")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    rejected: _containers.RepeatedCompositeFieldContainer[RejectedEvent]
    def __init__(self, accepted: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[RejectedEvent, _Mapping]]] = ...) -> None: ...

class RejectedEvent(_message.Message):
    __slots__ = ("index", "event_id", "code", "detail")
    class Code(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CODE_UNSPECIFIED: _ClassVar[RejectedEvent.Code]
        CODE_INVALID: _ClassVar[RejectedEvent.Code]
        CODE_TRY_AGAIN: _ClassVar[RejectedEvent.Code]
    CODE_UNSPECIFIED: RejectedEvent.Code
    CODE_INVALID: RejectedEvent.Code
    CODE_TRY_AGAIN: RejectedEvent.Code
    INDEX_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    index: int
    event_id: str
    code: RejectedEvent.Code
    detail: str
    def __init__(self, index: _Optional[int] = ..., event_id: _Optional[str] = ..., code: _Optional[_Union[RejectedEvent.Code, str]] = ..., detail: _Optional[str] = ...) -> None: ...
