import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Event(_message.Message):
    __slots__ = ("event_id", "user_id", "item_id", "occurred_at", "recommendation_id", "impression", "click", "read", "purchase", "action", "forget")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    IMPRESSION_FIELD_NUMBER: _ClassVar[int]
    CLICK_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    PURCHASE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    FORGET_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    user_id: str
    item_id: str
    occurred_at: _timestamp_pb2.Timestamp
    recommendation_id: str
    impression: Impression
    click: Click
    read: Read
    purchase: Purchase
    action: Action
    forget: Forget
    def __init__(self, event_id: _Optional[str] = ..., user_id: _Optional[str] = ..., item_id: _Optional[str] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., recommendation_id: _Optional[str] = ..., impression: _Optional[_Union[Impression, _Mapping]] = ..., click: _Optional[_Union[Click, _Mapping]] = ..., read: _Optional[_Union[Read, _Mapping]] = ..., purchase: _Optional[_Union[Purchase, _Mapping]] = ..., action: _Optional[_Union[Action, _Mapping]] = ..., forget: _Optional[_Union[Forget, _Mapping]] = ...) -> None: ...

class Impression(_message.Message):
    __slots__ = ("position", "served", "slate", "propensity", "considered")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SERVED_FIELD_NUMBER: _ClassVar[int]
    SLATE_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    CONSIDERED_FIELD_NUMBER: _ClassVar[int]
    position: int
    served: ServedFeatures
    slate: str
    propensity: float
    considered: Considered
    def __init__(self, position: _Optional[int] = ..., served: _Optional[_Union[ServedFeatures, _Mapping]] = ..., slate: _Optional[str] = ..., propensity: _Optional[float] = ..., considered: _Optional[_Union[Considered, _Mapping]] = ...) -> None: ...

class Considered(_message.Message):
    __slots__ = ("item_ids", "predictions", "added")
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    predictions: _containers.RepeatedScalarFieldContainer[float]
    added: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, item_ids: _Optional[_Iterable[str]] = ..., predictions: _Optional[_Iterable[float]] = ..., added: _Optional[_Iterable[float]] = ...) -> None: ...

class ServedFeatures(_message.Message):
    __slots__ = ("fingerprint", "values", "history_item_ids", "history_values", "model_version", "predictions")
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    HISTORY_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_VALUES_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    fingerprint: int
    values: _containers.RepeatedScalarFieldContainer[float]
    history_item_ids: _containers.RepeatedScalarFieldContainer[str]
    history_values: _containers.RepeatedScalarFieldContainer[float]
    model_version: str
    predictions: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, fingerprint: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ..., history_item_ids: _Optional[_Iterable[str]] = ..., history_values: _Optional[_Iterable[float]] = ..., model_version: _Optional[str] = ..., predictions: _Optional[_Iterable[float]] = ...) -> None: ...

class Click(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Read(_message.Message):
    __slots__ = ("seconds", "completion", "censored")
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    CENSORED_FIELD_NUMBER: _ClassVar[int]
    seconds: float
    completion: float
    censored: bool
    def __init__(self, seconds: _Optional[float] = ..., completion: _Optional[float] = ..., censored: _Optional[bool] = ...) -> None: ...

class Purchase(_message.Message):
    __slots__ = ("amount", "currency")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    amount: float
    currency: str
    def __init__(self, amount: _Optional[float] = ..., currency: _Optional[str] = ...) -> None: ...

class Forget(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Action(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
