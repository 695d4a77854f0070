"""Batches of item actions: rows, their published state, and what redelivery does to them."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.internal.v1.streams_pb2 import ItemAction, ItemActivity
from headwater.v1.topics import DEAD_LETTERS, ITEM_ACTIONS, ITEM_ACTIVITY
from runtime.record import Publication, Record
from streams.processors.item import ItemProcessor
from tests.feature_repo.worlds import VOCABULARY, at_offset
from tests.streams.memory import MemoryRows

TASKS = len(VOCABULARY.tasks)
DELETION = 2  # in place of a partition of the events


def _record(value: bytes, offset: int, *, key: bytes = b"") -> Record:
    key = key or ItemAction.FromString(value).item_id.encode()
    return Record(topic=ITEM_ACTIONS.name, partition=0, offset=offset, key=key, value=value, appended_at=0.0)


def _action(item: int, source_partition: int, source_offset: int) -> bytes:
    if source_partition == DELETION:
        return ItemAction(item_id=f"i{item}", occurred_at=1000.0 + source_offset, deleted=True).SerializeToString()
    action = ItemAction(item_id=f"i{item}", occurred_at=1000.0 + source_offset, action=True)
    action.source.CopyFrom(at_offset(source_offset, partition=source_partition))
    action.observations.extend([1.0] * TASKS)
    action.label_sums.extend([0.5] * TASKS)
    return action.SerializeToString()


def _processor(store: MemoryRows) -> ItemProcessor:
    return ItemProcessor(VOCABULARY, store=store, clock=lambda: 0.0, cached_rows=2)


def _fold(records: Sequence[Record], store: MemoryRows) -> int:
    processor = _processor(store)
    work = processor.process(records)
    processor.write(work)
    return work.folded


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, DELETION)), max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_actions_published_twice_count_once(actions: list[tuple[int, int]], again_from: int, cut: int) -> None:
    """A user agent that was killed publishes its last batch again, behind what it published before; deletions in between."""
    values = [_action(item, partition, offset) for offset, (item, partition) in enumerate(actions)]
    clean, rough = MemoryRows(VOCABULARY), MemoryRows(VOCABULARY)
    counted = sum(partition != DELETION for _, partition in actions)
    assert _fold([_record(value, at) for at, value in enumerate(values)], clean) == counted
    repeated = [_record(value, at) for at, value in enumerate(values + values[again_from:])]
    assert _fold(repeated[:cut], rough) + _fold(repeated[cut:], rough) == counted
    assert rough.items == clean.items


def test_the_state_of_each_changed_item_is_published_once() -> None:
    """Everyone's item table follows these; the last of a key wins."""
    store = MemoryRows(VOCABULARY)
    processor = _processor(store)
    work = processor.process([_record(_action(1, 0, 0), 0), _record(_action(1, 0, 1), 1), _record(_action(2, 0, 2), 2)])
    states = [ItemActivity.FromString(value or b"") for topic, _, value in work.publications if topic == ITEM_ACTIVITY.name]
    assert [state.item_id for state in states] == ["i1", "i2"]
    processor.write(work)
    row = store.read_items(["i1"])["i1"]
    assert np.array_equal(np.array(states[0].values), np.array([row.first_at, row.updated_at, *row.counters_CH.ravel()]))


def test_a_deleted_item_leaves_everyones_table() -> None:
    """Its state becomes a tombstone, so that compaction drops it."""
    processor = _processor(MemoryRows(VOCABULARY))
    work = processor.process([_record(_action(1, 0, 0), 0), _record(_action(1, DELETION, 1), 1)])
    assert work.publications == [Publication(ITEM_ACTIVITY.name, b"i1", None)]


def test_what_is_no_action_of_these_tasks_becomes_a_dead_letter() -> None:
    """Garbage, or actions from before the tasks changed, must not stop the items."""
    foreign = ItemAction(item_id="i1", observations=[1.0]).SerializeToString()
    work = _processor(MemoryRows(VOCABULARY)).process(
        [_record(b"\xff\xff", 0, key=b"i1"), _record(foreign, 1), _record(_action(1, 0, 0), 2)]
    )
    assert work.folded == 1
    assert dict(work.rejected) == {"unparseable": 1, "constraint": 1}
    assert [topic for topic, _, _ in work.publications] == [DEAD_LETTERS.name, DEAD_LETTERS.name, ITEM_ACTIVITY.name]
