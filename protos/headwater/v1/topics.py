"""Names of the Kafka topics and how each is laid out; every process takes them from here."""

from dataclasses import dataclass

__all__ = [
    "ALL_TOPICS",
    "CATALOGUE",
    "DEAD_LETTERS",
    "ERASURES",
    "EVENTS",
    "EXAMPLES",
    "ITEM_ACTIONS",
    "ITEM_ACTIVITY",
    "ITEM_CONTENT",
    "Topic",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """One topic: its name, what a record's key is, and how many partitions and what clean-up it is created with."""

    name: str
    key: str
    compacted: bool = False
    one_partition: bool = False
    """True where the order over all records matters; otherwise the number of partitions is a setting."""
    least_retention_days: int = 7
    """How long a record must be kept at least; compacted topics keep the last of each key forever."""


EVENTS = Topic(name="headwater.events.v1", key="user_id")
CATALOGUE = Topic(name="headwater.catalogue.v1", key="item_id", compacted=True)
ITEM_ACTIONS = Topic(name="headwater.item-actions.v1", key="item_id", least_retention_days=1)
ITEM_ACTIVITY = Topic(name="headwater.item-activity.v1", key="item_id", compacted=True)
ITEM_CONTENT = Topic(name="headwater.item-content.v1", key="item_id", compacted=True)
EXAMPLES = Topic(name="headwater.examples.v1", key="user_id", one_partition=True, least_retention_days=1)
DEAD_LETTERS = Topic(name="headwater.dead-letters.v1", key="user_id")
ERASURES = Topic(name="headwater.erasures.v1", key="user_id")

ALL_TOPICS = (EVENTS, CATALOGUE, ITEM_ACTIONS, ITEM_ACTIVITY, ITEM_CONTENT, EXAMPLES, DEAD_LETTERS, ERASURES)
