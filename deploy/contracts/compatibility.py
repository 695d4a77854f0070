"""Compatibility check of the wire contracts: version 1 removes, renumbers and retypes nothing."""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorSet, ServiceDescriptorProto

__all__ = ["BASELINE", "breaks"]

BASELINE = Path(__file__).parents[2] / "protos" / "baseline.binpb"
"""Descriptors of version 1, imports included; `make protos` adds what is new, and refuses a change that would break it."""


def breaks(before: FileDescriptorSet, after: FileDescriptorSet) -> list[str]:
    """What a caller or a stored record of `before` loses in `after`, one sentence each; empty where all of it stands."""
    now = dict(_elements(after))
    found = []
    for name, meaning in _elements(before):
        if name not in now:
            found.append(f"{name} ({meaning}) is gone")
        elif now[name] != meaning:
            found.append(f"{name} was {meaning} and is {now[name]}")
    return found


def _elements(files: FileDescriptorSet) -> Iterator[tuple[str, str]]:
    """Each thing that has a name, and what may never change of it."""
    for file in files.file:
        for message in file.message_type:
            yield from _message(file.package, message)
        for enum in file.enum_type:
            yield from _enum(file.package, enum)
        for service in file.service:
            yield from _service(file.package, service)


def _message(scope: str, message: DescriptorProto) -> Iterator[tuple[str, str]]:
    path = f"{scope}.{message.name}"
    yield path, "message"
    for field in message.field:
        kind = f"{field.Label.Name(field.label)} {field.Type.Name(field.type)} {field.type_name}".lower().rstrip()
        group = f" in oneof {message.oneof_decl[field.oneof_index].name}" if field.HasField("oneof_index") else ""
        yield f"{path}.{field.name}", f"field {field.number} {kind}{group}"
    for nested in message.nested_type:
        yield from _message(path, nested)
    for enum in message.enum_type:
        yield from _enum(path, enum)


def _enum(scope: str, enum: EnumDescriptorProto) -> Iterator[tuple[str, str]]:
    for value in enum.value:
        yield f"{scope}.{enum.name}.{value.name}", f"value {value.number}"


def _service(scope: str, service: ServiceDescriptorProto) -> Iterator[tuple[str, str]]:
    for method in service.method:
        streams = f"{'stream ' * method.client_streaming}{method.input_type} to {'stream ' * method.server_streaming}"
        yield f"{scope}.{service.name}.{method.name}", f"call from {streams}{method.output_type}"
