"""Small worlds that the tests of the feature repo are played in: tasks, items with vectors, random events."""

import numpy as np
from hypothesis import strategies as st

from feature_repo.assembly.assemble import assemble_served
from feature_repo.decoded_event import FORGET, IMPRESSION, DecodedEvent
from feature_repo.fold import UserFold
from feature_repo.items.table import ItemTable
from feature_repo.pending_impressions import is_labelled
from feature_repo.rows import UserRow
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example, ItemAction, SourcePosition
from headwater.v1.catalogue_pb2 import Item

TASKS = """
[tasks.click]
kind = "binary"
event = "click"
window_seconds = 600

[tasks.dwell]
kind = "duration"
event = "read"

[tasks.like]
kind = "binary"
event = "rate"
at_least = 4
"""

VOCABULARY = Vocabulary(parse_tasks(TASKS))
CLICK, DWELL, LIKE = range(3)


def table_of(count: int = 8, dimensions: int = 6) -> ItemTable:
    """Items i0, i1, ... with random unit vectors and two categories in turn."""
    random = np.random.default_rng(7)
    table = ItemTable(VOCABULARY, dimensions=dimensions, capacity=2)
    for number in range(count):
        vector = random.normal(size=dimensions).astype(np.float32)
        item = Item(
            item_id=f"i{number}", type="article", title=f"Item {number}", categories=["even" if number % 2 == 0 else "odd"]
        )
        table.set_content(item, vector / np.linalg.norm(vector))
    return table


def fold_over(table: ItemTable) -> UserFold:
    """The user fold with features made from this table."""

    return UserFold(VOCABULARY, lambda row, item_id, at: assemble_served(row, table, item_id, at))


def fold_all(events: list[tuple[int, DecodedEvent]]) -> tuple[UserRow, list[Example], list[ItemAction]]:
    """Folds (offset, event) pairs into one row; the labelled examples, and what items are told."""
    fold, row = fold_over(table_of()), UserRow.empty("u", VOCABULARY)
    examples, actions = list[Example](), list[ItemAction]()
    for offset, decoded in events:
        folded = fold.fold(row, decoded, at_offset(offset))
        made = [Example.FromString(example) for example in folded.examples]
        assert folded.labelled == sum(map(is_labelled, made))
        examples += filter(is_labelled, made)
        actions += [folded.action] if folded.action else []
    return row, examples, actions


def assert_equal_rows(one: UserRow, other: UserRow) -> None:
    """Fails, and says where, unless two users' rows hold the same."""
    np.testing.assert_array_equal(one.counters_CH, other.counters_CH)
    np.testing.assert_array_equal(one.recent_R, other.recent_R)
    np.testing.assert_array_equal(one.label_times_RT, other.label_times_RT)
    assert [waiting.SerializeToString() for waiting in one.unmatched] == [late.SerializeToString() for late in other.unmatched]
    assert one.recent_ids == other.recent_ids
    np.testing.assert_array_equal(one.older_N, other.older_N)
    assert (one.first_at, one.updated_at) == (other.first_at, other.updated_at)
    assert [waiting.to_bytes() for waiting in one.pending] == [waiting.to_bytes() for waiting in other.pending]


def at_offset(offset: int, *, log: int = 1, partition: int = 0) -> SourcePosition:
    return SourcePosition(log=log, partition=partition, offset=offset)


def event(
    kind: str,
    item_id: str = "i0",
    at: float = 1000.0,
    value: float | None = None,
    *,
    event_id: str = "",
    recommendation_id: str = "",
    user_id: str = "u",
) -> DecodedEvent:
    return DecodedEvent(
        event_id=event_id or f"{kind}-{item_id}-{at}",
        user_id=user_id,
        item_id=item_id,
        at=at,
        kind=kind,
        value=value,
        recommendation_id=recommendation_id,
    )


@st.composite
def histories(draw: st.DrawFn, max_size: int = 40) -> list[DecodedEvent]:
    """One user's events in the order of their times, ids unique; now and then the user asks to be forgotten."""
    acts = [(IMPRESSION, None), ("click", None), ("read", 30.0), ("rate", 5.0), ("rate", 1.0), ("hide", None), (FORGET, None)]
    kinds = st.sampled_from(acts)
    steps = draw(st.lists(st.tuples(kinds, st.integers(0, 9), st.integers(0, 900)), max_size=max_size))
    events, now = [], 1_000_000.0
    for number, ((kind, value), item, wait) in enumerate(steps):
        now += wait
        events.append(event(kind, "" if kind == FORGET else f"i{item}", now, value, event_id=f"e{number}"))
    return events
