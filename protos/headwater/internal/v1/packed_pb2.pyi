from headwater.internal.v1 import streams_pb2 as _streams_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PackedServed(_message.Message):
    __slots__ = ("fingerprint", "values", "history_item_ids", "history_values", "predictions")
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    HISTORY_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_VALUES_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    fingerprint: int
    values: bytes
    history_item_ids: _containers.RepeatedScalarFieldContainer[str]
    history_values: bytes
    predictions: bytes
    def __init__(self, fingerprint: _Optional[int] = ..., values: _Optional[bytes] = ..., history_item_ids: _Optional[_Iterable[str]] = ..., history_values: _Optional[bytes] = ..., predictions: _Optional[bytes] = ...) -> None: ...

class PackedExample(_message.Message):
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
    source: _streams_pb2.SourcePosition
    index: int
    user_id: str
    item_id: str
    recommendation_id: str
    shown_at: float
    labelled_at: float
    fingerprint: int
    features: bytes
    history_item_ids: _containers.RepeatedScalarFieldContainer[str]
    history_values: bytes
    labels: bytes
    lower_bounds: bytes
    predictions: bytes
    def __init__(self, source: _Optional[_Union[_streams_pb2.SourcePosition, _Mapping]] = ..., index: _Optional[int] = ..., user_id: _Optional[str] = ..., item_id: _Optional[str] = ..., recommendation_id: _Optional[str] = ..., shown_at: _Optional[float] = ..., labelled_at: _Optional[float] = ..., fingerprint: _Optional[int] = ..., features: _Optional[bytes] = ..., history_item_ids: _Optional[_Iterable[str]] = ..., history_values: _Optional[bytes] = ..., labels: _Optional[bytes] = ..., lower_bounds: _Optional[bytes] = ..., predictions: _Optional[bytes] = ...) -> None: ...

class PackedAwaiting(_message.Message):
    __slots__ = ("impressions", "seen_events", "erasure", "label_times", "unmatched", "alias")
    IMPRESSIONS_FIELD_NUMBER: _ClassVar[int]
    SEEN_EVENTS_FIELD_NUMBER: _ClassVar[int]
    ERASURE_FIELD_NUMBER: _ClassVar[int]
    LABEL_TIMES_FIELD_NUMBER: _ClassVar[int]
    UNMATCHED_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    impressions: _containers.RepeatedScalarFieldContainer[bytes]
    seen_events: _containers.RepeatedScalarFieldContainer[int]
    erasure: _streams_pb2.Erasure
    label_times: bytes
    unmatched: _containers.RepeatedCompositeFieldContainer[_streams_pb2.UnmatchedAction]
    alias: int
    def __init__(self, impressions: _Optional[_Iterable[bytes]] = ..., seen_events: _Optional[_Iterable[int]] = ..., erasure: _Optional[_Union[_streams_pb2.Erasure, _Mapping]] = ..., label_times: _Optional[bytes] = ..., unmatched: _Optional[_Iterable[_Union[_streams_pb2.UnmatchedAction, _Mapping]]] = ..., alias: _Optional[int] = ...) -> None: ...

class PackedItemActivity(_message.Message):
    __slots__ = ("item_id", "fingerprint", "values", "audience_places", "audience_opinions")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_PLACES_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_OPINIONS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    fingerprint: int
    values: bytes
    audience_places: bytes
    audience_opinions: bytes
    def __init__(self, item_id: _Optional[str] = ..., fingerprint: _Optional[int] = ..., values: _Optional[bytes] = ..., audience_places: _Optional[bytes] = ..., audience_opinions: _Optional[bytes] = ...) -> None: ...

class PackedNumbers(_message.Message):
    __slots__ = ("val",)
    VAL_FIELD_NUMBER: _ClassVar[int]
    val: bytes
    def __init__(self, val: _Optional[bytes] = ...) -> None: ...
