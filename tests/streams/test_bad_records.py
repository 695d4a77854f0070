"""Bad records on internal topics: each reader passes over them, keeps them or counts them, and goes on."""

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.codec import encode_activity
from feature_repo.decode import Rejection
from feature_repo.fold import fold_item
from feature_repo.items.records import decode_activity, decode_content
from feature_repo.rows import ItemRow
from headwater.internal.v1.packed_pb2 import PackedItemActivity
from headwater.internal.v1.streams_pb2 import Example, ItemAction, ItemContent
from headwater.v1.topics import DEAD_LETTERS, EXAMPLES, ITEM_ACTIONS
from runtime.record import Record
from streams.learning.learner import Learner
from streams.processors.item import ItemProcessor
from tests.feature_repo.worlds import VOCABULARY, at_offset, table_of
from tests.streams.learning.test_learner import Clock, make_learner, record
from tests.streams.memory import MemoryRows

TASKS = len(VOCABULARY.tasks)

numbers = st.floats(width=64) | st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308, 1e18, -1.0, 0.0, 5e-324])
narrow = st.floats(width=32) | st.sampled_from([math.nan, math.inf, -math.inf, 3e38, -3e38, -1.0, 2.0])
ids = st.text(max_size=3) | st.sampled_from(["i1", "x" * 300])
sources = st.builds(
    lambda log, partition, offset: at_offset(offset, log=log, partition=partition),
    st.sampled_from([0, 1, 2**63, 2**64 - 1]),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1),
)


def _changed(good: bytes, kind: type, fields: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[bytes]:
    """The good message with some of its fields set to anything, or cut short, or random bytes."""

    def with_fields(values: dict[str, object]) -> bytes:
        message = kind.FromString(good)  # type: ignore[attr-defined]  # a class of messages
        for name, value in values.items():
            message.ClearField(name)
            message.MergeFrom(kind(**{name: value}))
        encoded: bytes = message.SerializeToString()
        return encoded

    some = st.fixed_dictionaries({}, optional=fields).map(with_fields)
    return some | st.integers(0, len(good)).map(lambda size: good[:size]) | st.binary(max_size=40)


def _good_action(offset: int = 0) -> ItemAction:
    action = ItemAction(item_id="i1", occurred_at=1000.0, action=True, observations=[1.0] * TASKS, label_sums=[0.5] * TASKS)
    action.source.CopyFrom(at_offset(offset))
    return action


def _good_activity() -> PackedItemActivity:
    row = ItemRow.empty("i1", VOCABULARY)
    assert fold_item(row, _good_action())
    return encode_activity(row, VOCABULARY)


def _is_finite(values: object) -> bool:
    return bool(np.isfinite(np.asarray(values, dtype=np.float64)).all())


ACTIONS = _changed(
    _good_action().SerializeToString(),
    ItemAction,
    {
        "item_id": ids,
        "source": sources,
        "occurred_at": numbers,
        "observations": st.lists(numbers, max_size=TASKS + 1) | st.lists(numbers, min_size=TASKS, max_size=TASKS),
        "label_sums": st.lists(numbers, max_size=TASKS + 1) | st.lists(numbers, min_size=TASKS, max_size=TASKS),
        "deleted": st.booleans(),
        "alias": st.integers(0, 2**32 - 1),
    },
)


@settings(deadline=None)
@given(st.lists(ACTIONS, min_size=1, max_size=4), st.sampled_from([b"i1", b"", None]))
def test_no_item_action_ends_the_features_worker(bad: list[bytes], key: bytes | None) -> None:
    """Each is folded or becomes a dead letter; rows stay finite, and the good action of another item counts."""
    store = MemoryRows(VOCABULARY)
    processor = ItemProcessor(VOCABULARY, store=store, clock=lambda: 0.0, cached_rows=8)
    good = _good_action()
    good.item_id = "good"
    values = [(value, key) for value in bad] + [(good.SerializeToString(), b"good")]
    work = processor.process(
        [
            Record(topic=ITEM_ACTIONS.name, partition=0, offset=at, key=own, value=value, appended_at=0.0)
            for at, (value, own) in enumerate(values)
        ]
    )
    processor.write(work)
    assert sum(work.rejected.values()) == sum(one.topic == DEAD_LETTERS.name for one in work.publications)
    assert "good" in work.rows
    for row in store.read_items(list(work.rows)).values():
        assert _is_finite([row.counters_CH, row.counters_CH])
        assert _is_finite([row.first_at, row.updated_at])


ACTIVITIES = _changed(
    _good_activity().SerializeToString(),
    PackedItemActivity,
    {
        "item_id": ids,
        "fingerprint": st.sampled_from([0, VOCABULARY.fingerprint]),
        "values": st.lists(numbers, max_size=3).map(lambda values: np.array(values).tobytes())
        | st.lists(numbers, min_size=len(VOCABULARY.activity), max_size=len(VOCABULARY.activity)).map(
            lambda values: np.array(values).tobytes()
        )
        | st.binary(max_size=20),
        "audience_places": st.binary(max_size=9) | st.just(bytes(2 * 300)),
        "audience_opinions": st.lists(narrow, max_size=2 * TASKS).map(lambda values: np.array(values, dtype="<f4").tobytes())
        | st.binary(max_size=9)
        | st.just(bytes(4 * TASKS * 300)),
    },
)


@settings(deadline=None)
@given(ACTIVITIES, st.sampled_from([b"i1", b"\xff", None]))
def test_no_item_activity_spoils_an_item_table(value: bytes, key: bytes | None) -> None:
    """What is taken over is of the table's own shapes and leaves the priors, which sum over all items, finite."""
    table = table_of()
    activity = decode_activity(value, key=key, vocabulary=VOCABULARY)
    if not isinstance(activity, Rejection):
        table.set_activity("i1", *activity)
    assert _is_finite(table.priors())
    assert _is_finite(table.counters)
    assert _is_finite(table.opinions)


CONTENTS = _changed(
    ItemContent(item={"item_id": "i1", "type": "article"}, vector=bytes(24)).SerializeToString(),
    ItemContent,
    {
        "item": st.fixed_dictionaries(
            {"item_id": ids, "type": st.sampled_from(["article", "", "NO"])},
            optional={"published_at": st.fixed_dictionaries({"seconds": st.integers(-(2**63), 2**63 - 1)})},
        ),
        "vector": st.lists(narrow, min_size=6, max_size=6).map(lambda values: np.array(values, dtype="<f4").tobytes())
        | st.binary(max_size=30),
    },
)


@settings(deadline=None)
@given(CONTENTS, st.sampled_from([b"i1", b"\xff", None]))
def test_no_item_content_spoils_an_item_table(value: bytes, key: bytes | None) -> None:
    """A vector of the wrong width is the table's own to refuse, by ValueError; nothing else is raised, and vectors are finite."""
    table = table_of()
    content = decode_content(value, key=key)
    if not isinstance(content, Rejection):
        with suppress(ValueError):
            table.set_content(content.item, np.frombuffer(content.vector, dtype="<f4") if content.vector else None)
    assert _is_finite(table.vectors)


EXAMPLE = Example.FromString(record(0).value or b"")
EXAMPLE.labelled_at = EXAMPLE.shown_at + 1.0
EXAMPLE_BYTES = _changed(
    EXAMPLE.SerializeToString(),
    Example,
    {
        "source": sources,
        "index": st.integers(0, 2**32 - 1),
        "user_id": ids,
        "item_id": ids,
        "shown_at": numbers,
        "labelled_at": numbers,
        "features": st.lists(narrow, max_size=2),
        "history_item_ids": st.lists(ids, max_size=2),
        "history_values": st.lists(narrow, max_size=2 * (TASKS + 1)),
        "labels": st.lists(narrow, max_size=TASKS + 1) | st.lists(narrow, min_size=TASKS, max_size=TASKS),
        "lower_bounds": st.lists(narrow, max_size=TASKS + 1) | st.lists(narrow, min_size=TASKS, max_size=TASKS),
        "predictions": st.lists(narrow, max_size=TASKS + 1) | st.lists(narrow, min_size=TASKS, max_size=TASKS),
    },
)


def _learn(make: Callable[[], Learner], bad: list[bytes]) -> None:
    learner = make()
    values = [*bad, *(record(offset).value for offset in range(100, 116))]
    learned = learner.learn(
        [
            Record(topic=EXAMPLES.name, partition=0, offset=at, key=b"u", value=value, appended_at=0.0)
            for at, value in enumerate(values)
        ]
    )
    assert learned.skipped_batches == 0
    assert learned.examples >= 16
    assert len(learned.rejected) <= learned.unusable
    learner.settle(leaving=True)


@settings(deadline=None, max_examples=20)
@given(st.lists(EXAMPLE_BYTES, min_size=1, max_size=4))
def test_no_example_ends_the_learner(tmp_path_factory: object, bad: list[bytes]) -> None:
    """Each is learned, or rejected and told; the good ones with it are learned, and a checkpoint can be written."""
    directory: Path = tmp_path_factory.mktemp("learner")  # type: ignore[attr-defined]  # pytest's own factory
    _learn(lambda: make_learner(directory, Clock()), bad)


def test_times_that_are_none_are_rejected_by_name(tmp_path: Path) -> None:
    """An item action at infinity, and examples shown at no time or beyond all: whoever reads the dead letters finds the field."""
    learner = make_learner(tmp_path, Clock())
    values = []
    for at in (math.nan, 1e308, -1.0):
        example = Example.FromString(record(0).value or b"")
        example.shown_at = at
        values.append(example.SerializeToString())
    learned = learner.learn(
        [
            Record(topic=EXAMPLES.name, partition=0, offset=at, key=b"u", value=value, appended_at=0.0)
            for at, value in enumerate(values)
        ]
    )
    assert [rejection.reason for _, rejection in learned.rejected] == ["constraint"] * 3
    assert all("shown_at" in rejection.detail for _, rejection in learned.rejected)
