"""Version 1 of the wire contracts keeps its promises, and the check would notice if it did not."""

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorSet

from deploy.contracts.compatibility import BASELINE, breaks
from deploy.contracts.generate import describe


def baseline() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(BASELINE.read_bytes())


def message(files: FileDescriptorSet, name: str) -> DescriptorProto:
    return next(one for file in files.file for one in file.message_type if one.name == name)


def field(files: FileDescriptorSet, name: str) -> FieldDescriptorProto:
    return next(one for one in message(files, "ScoreRequest").field if one.name == name)


def test_contracts_of_today_break_nothing_and_are_promised_from_now_on(tmp_path: Path) -> None:
    """What version 1 had stands; what was added is in the baseline, too. Else run `make protos`."""
    today = describe(tmp_path / "today.binpb")
    assert breaks(baseline(), today) == []
    assert breaks(today, baseline()) == [], "the baseline lacks what is new: run `make protos`"


def renumber(files: FileDescriptorSet) -> None:
    field(files, "user_id").number = 9


def retype(files: FileDescriptorSet) -> None:
    field(files, "user_id").type = FieldDescriptorProto.TYPE_BYTES


def unrepeat(files: FileDescriptorSet) -> None:
    field(files, "item_ids").label = FieldDescriptorProto.LABEL_OPTIONAL


def rename(files: FileDescriptorSet) -> None:
    field(files, "tasks").name = "heads"


def drop_message(files: FileDescriptorSet) -> None:
    message(files, "ScoreRequest").name = "Scores"


def drop_method(files: FileDescriptorSet) -> None:
    for file in files.file:
        for service in file.service:
            del service.method[0]


def move_value(files: FileDescriptorSet) -> None:
    message(files, "Degradation").enum_type[0].value[1].number = 77


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (renumber, "ScoreRequest.user_id was field 1 label_optional type_string and is field 9"),
        (retype, "ScoreRequest.user_id was field 1 label_optional type_string and is field 1 label_optional type_bytes"),
        (unrepeat, "ScoreRequest.item_ids was field 2 label_repeated"),
        (rename, "ScoreRequest.tasks (field 3 label_repeated type_string) is gone"),
        (drop_message, "ScoreRequest (message) is gone"),
        (drop_method, "RecommenderService.Score (call from .headwater.v1.ScoreRequest to .headwater.v1.ScoreResponse) is gone"),
        (move_value, "Degradation.Reason.REASON_UNKNOWN_USER was value 1 and is value 77"),
    ],
)
def test_each_kind_of_break_is_found(change: Callable[[FileDescriptorSet], None], words: str) -> None:
    """Removed, renumbered, retyped, renamed."""
    changed = baseline()
    change(changed)
    assert any(words in found for found in breaks(baseline(), changed))


def test_additions_break_nothing() -> None:
    """A new field or message is what version 1 grows by."""
    grown = baseline()
    message(grown, "ScoreRequest").field.add(name="novel", number=99, type=FieldDescriptorProto.TYPE_BOOL)
    grown.file[0].message_type.add(name="Novel")
    assert breaks(baseline(), grown) == []
