"""The packed forms of messages: the same on the wire as those that they are named for."""

from typing import Any

import pytest
from google.protobuf.message import Message

from headwater.internal.v1.packed_pb2 import PackedAwaiting, PackedExample, PackedItemActivity, PackedServed
from headwater.internal.v1.streams_pb2 import Awaiting, Example, ItemActivity, SourcePosition
from headwater.v1.events_pb2 import ServedFeatures

FULL: list[tuple[Message, type[Message]]] = [
    (ServedFeatures(fingerprint=7, values=[1.5, -2.0], history_item_ids=["a", "b"], history_values=[0.1]), PackedServed),
    (
        Example(
            source=SourcePosition(log=1, partition=2, offset=3),
            index=1,
            user_id="u",
            item_id="i",
            recommendation_id="r",
            shown_at=1.0,
            labelled_at=2.0,
            fingerprint=3,
            features=[1.0, 2.0],
            history_item_ids=["a"],
            history_values=[3.0],
            labels=[float("nan"), 1.0],
            lower_bounds=[2.0, float("nan")],
        ),
        PackedExample,
    ),
    (
        Awaiting(impressions=[Example(item_id="i", labels=[1.0])], seen_events=[1, 2], label_times=b"12345678", alias=3),
        PackedAwaiting,
    ),
    (
        ItemActivity(item_id="i", fingerprint=3, values=[1.0, 2.0], audience_places=b"12", audience_opinions=b"1234"),
        PackedItemActivity,
    ),
]


@pytest.mark.parametrize(("message", "packed"), FULL, ids=lambda one: getattr(one, "__name__", None))
def test_what_is_read_packed_is_written_back_to_the_byte(message: Message, packed: type[Message]) -> None:
    """So the two sides of a topic may use either form."""
    encoded = message.SerializeToString(deterministic=True)
    twin = packed.FromString(encoded)
    assert twin.SerializeToString(deterministic=True) == encoded
    assert type(message).FromString(twin.SerializeToString()).SerializeToString(deterministic=True) == encoded


@pytest.mark.parametrize(("message", "packed"), FULL, ids=lambda one: getattr(one, "__name__", None))
def test_every_field_has_the_number_and_name_of_its_original(message: Message, packed: type[Message]) -> None:
    """A field that is added to one of them alone would get lost."""
    theirs, ours = _fields(message.DESCRIPTOR), _fields(packed.DESCRIPTOR)
    assert ours.items() <= theirs.items()
    if packed is not PackedServed:  # which leaves out what examples do not need
        assert ours == theirs


def _fields(descriptor: Any) -> dict[int, str]:
    return {field.number: field.name for field in descriptor.fields}
