"""Feast objects: entities, feature views and the ranking service. `feast apply` in this folder registers them.

Counters are packed: one float array a row, in the order of `feature_repo.vocabulary.Vocabulary.activity`. Building
protobuf values is what a write to Feast costs, and one array costs as much as one number.
"""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource
from feast.types import Array, Bytes, Float32, Float64, Int64, String
from feast.value_type import ValueType

__all__ = ["ITEM_ACTIVITY", "ITEM_CONTENT", "OBJECTS", "RANKING", "USER_ACTIVITY"]

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING, description="Whoever is recommended to.")
item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING, description="Whatever can be recommended.")


def _pushed(name: str) -> PushSource:
    """Rows come from the stream; the file is where an operator may export history to, and need not exist."""
    history = FileSource(name=f"{name}_history", path=f"history/{name}.parquet", timestamp_field="event_timestamp")
    return PushSource(name=f"{name}_push", batch_source=history)


USER_ACTIVITY = FeatureView(
    name="user_activity",
    entities=[user],
    ttl=timedelta(days=180),
    schema=[
        Field(name="position", dtype=Array(Int64), description="Vocabulary fingerprint, log id, partition, offset included."),
        Field(name="activity", dtype=Array(Float64), description="Times and decayed counters, as of updated_at."),
        Field(name="recent_items", dtype=Array(String), description="Items engaged with, the most recent first."),
        Field(name="recent_values", dtype=Array(Float64), description="For each: Unix seconds, then a label a task."),
        Field(name="older_items", dtype=Bytes, description="Items engaged with before those: hash, day and tasks, 8 bytes each."),
        Field(name="awaiting", dtype=Bytes, description="Impressions that await labels, and event ids seen."),
    ],
    source=_pushed("user_activity"),
)

ITEM_ACTIVITY = FeatureView(
    name="item_activity",
    entities=[item],
    ttl=timedelta(days=3650),
    schema=[
        Field(name="position", dtype=Array(Int64), description="Vocabulary fingerprint, log id, then partition, offset, ..."),
        Field(name="activity", dtype=Array(Float64), description="Times and decayed counters, as of updated_at."),
        Field(name="audience", dtype=Bytes, description="The latest users: alias, time and a label a task, as float64."),
    ],
    source=_pushed("item_activity"),
)

ITEM_CONTENT = FeatureView(
    name="item_content",
    entities=[item],
    ttl=timedelta(days=3650),
    schema=[
        Field(name="type", dtype=String),
        Field(name="title", dtype=String),
        Field(name="categories", dtype=Array(String)),
        Field(name="vector", dtype=Array(Float32), description="L2-normalised text vector; empty without text."),
        Field(name="encoder_version", dtype=String),
        Field(name="content_hash", dtype=String),
    ],
    source=_pushed("item_content"),
)

RANKING = FeatureService(name="ranking", features=[USER_ACTIVITY, ITEM_ACTIVITY, ITEM_CONTENT])

OBJECTS: list[Entity | FeatureView | FeatureService] = [user, item, USER_ACTIVITY, ITEM_ACTIVITY, ITEM_CONTENT, RANKING]
