from headwater.v1 import catalogue_pb2 as _catalogue_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SourcePosition(_message.Message):
    __slots__ = ("log", "partition", "offset")
    LOG_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    log: int
    partition: int
    offset: int
    def __init__(self, log: _Optional[int] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...

class ItemAction(_message.Message):
    __slots__ = ("item_id", "source", "occurred_at", "impression", "action", "observations", "label_sums", "user_id", "alias", "deleted")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    IMPRESSION_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    LABEL_SUMS_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    source: SourcePosition
    occurred_at: float
    impression: bool
    action: bool
    observations: _containers.RepeatedScalarFieldContainer[float]
    label_sums: _containers.RepeatedScalarFieldContainer[float]
    user_id: str
    alias: int
    deleted: bool
    def __init__(self, item_id: _Optional[str] = ..., source: _Optional[_Union[SourcePosition, _Mapping]] = ..., occurred_at: _Optional[float] = ..., impression: _Optional[bool] = ..., action: _Optional[bool] = ..., observations: _Optional[_Iterable[float]] = ..., label_sums: _Optional[_Iterable[float]] = ..., user_id: _Optional[str] = ..., alias: _Optional[int] = ..., deleted: _Optional[bool] = ...) -> None: ...

class Example(_message.Message):
    __slots__ = ("source", "index", "user_id", "item_id", "recommendation_id", "shown_at", "labelled_at", "fingerprint", "features", "history_item_ids", "history_values", "labels", "lower_bounds", "predictions")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    SHOWN_AT_FIELD_NUMBER: _ClassVar[int]
    LABELLED_AT_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    HISTORY_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_VALUES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LOWER_BOUNDS_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    source: SourcePosition
    index: int
    user_id: str
    item_id: str
    recommendation_id: str
    shown_at: float
    labelled_at: float
    fingerprint: int
    features: _containers.RepeatedScalarFieldContainer[float]
    history_item_ids: _containers.RepeatedScalarFieldContainer[str]
    history_values: _containers.RepeatedScalarFieldContainer[float]
    labels: _containers.RepeatedScalarFieldContainer[float]
    lower_bounds: _containers.RepeatedScalarFieldContainer[float]
    predictions: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, source: _Optional[_Union[SourcePosition, _Mapping]] = ..., index: _Optional[int] = ..., user_id: _Optional[str] = ..., item_id: _Optional[str] = ..., recommendation_id: _Optional[str] = ..., shown_at: _Optional[float] = ..., labelled_at: _Optional[float] = ..., fingerprint: _Optional[int] = ..., features: _Optional[_Iterable[float]] = ..., history_item_ids: _Optional[_Iterable[str]] = ..., history_values: _Optional[_Iterable[float]] = ..., labels: _Optional[_Iterable[float]] = ..., lower_bounds: _Optional[_Iterable[float]] = ..., predictions: _Optional[_Iterable[float]] = ...) -> None: ...

class Awaiting(_message.Message):
    __slots__ = ("impressions", "seen_events", "erasure", "label_times", "unmatched", "alias")
    IMPRESSIONS_FIELD_NUMBER: _ClassVar[int]
    SEEN_EVENTS_FIELD_NUMBER: _ClassVar[int]
    ERASURE_FIELD_NUMBER: _ClassVar[int]
    LABEL_TIMES_FIELD_NUMBER: _ClassVar[int]
    UNMATCHED_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    impressions: _containers.RepeatedCompositeFieldContainer[Example]
    seen_events: _containers.RepeatedScalarFieldContainer[int]
    erasure: Erasure
    label_times: bytes
    unmatched: _containers.RepeatedCompositeFieldContainer[UnmatchedAction]
    alias: int
    def __init__(self, impressions: _Optional[_Iterable[_Union[Example, _Mapping]]] = ..., seen_events: _Optional[_Iterable[int]] = ..., erasure: _Optional[_Union[Erasure, _Mapping]] = ..., label_times: _Optional[bytes] = ..., unmatched: _Optional[_Iterable[_Union[UnmatchedAction, _Mapping]]] = ..., alias: _Optional[int] = ...) -> None: ...

class UnmatchedAction(_message.Message):
    __slots__ = ("item_id", "recommendation_id", "occurred_at", "labels")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    recommendation_id: str
    occurred_at: float
    labels: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, item_id: _Optional[str] = ..., recommendation_id: _Optional[str] = ..., occurred_at: _Optional[float] = ..., labels: _Optional[_Iterable[float]] = ...) -> None: ...

class Erasure(_message.Message):
    __slots__ = ("user_id", "event_id", "source", "requested_at", "events", "engagements", "awaiting_impressions", "event_ids")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_AT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    ENGAGEMENTS_FIELD_NUMBER: _ClassVar[int]
    AWAITING_IMPRESSIONS_FIELD_NUMBER: _ClassVar[int]
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    event_id: str
    source: SourcePosition
    requested_at: float
    events: int
    engagements: int
    awaiting_impressions: int
    event_ids: int
    def __init__(self, user_id: _Optional[str] = ..., event_id: _Optional[str] = ..., source: _Optional[_Union[SourcePosition, _Mapping]] = ..., requested_at: _Optional[float] = ..., events: _Optional[int] = ..., engagements: _Optional[int] = ..., awaiting_impressions: _Optional[int] = ..., event_ids: _Optional[int] = ...) -> None: ...

class ItemActivity(_message.Message):
    __slots__ = ("item_id", "fingerprint", "values", "audience_places", "audience_opinions")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_PLACES_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_OPINIONS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    fingerprint: int
    values: _containers.RepeatedScalarFieldContainer[float]
    audience_places: bytes
    audience_opinions: bytes
    def __init__(self, item_id: _Optional[str] = ..., fingerprint: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ..., audience_places: _Optional[bytes] = ..., audience_opinions: _Optional[bytes] = ...) -> None: ...

class ItemContent(_message.Message):
    __slots__ = ("item", "vector", "encoder_version", "content_hash")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    ENCODER_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    item: _catalogue_pb2.Item
    vector: bytes
    encoder_version: str
    content_hash: str
    def __init__(self, item: _Optional[_Union[_catalogue_pb2.Item, _Mapping]] = ..., vector: _Optional[bytes] = ..., encoder_version: _Optional[str] = ..., content_hash: _Optional[str] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("topic", "partition", "offset", "reason", "detail", "key", "value", "rejected_at", "value_bytes", "redriven")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    REJECTED_AT_FIELD_NUMBER: _ClassVar[int]
    VALUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    REDRIVEN_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    key: bytes
    value: bytes
    rejected_at: float
    value_bytes: int
    redriven: SourcePosition
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., rejected_at: _Optional[float] = ..., value_bytes: _Optional[int] = ..., redriven: _Optional[_Union[SourcePosition, _Mapping]] = ...) -> None: ...
