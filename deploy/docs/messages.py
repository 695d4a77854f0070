"""Page of messages: every message and call of the .proto files that others may use, with its comments."""

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from deploy.contracts.generate import comment, described_files

__all__ = ["page"]

_SHOWN = ("headwater/v1/events.proto", "headwater/v1/catalogue.proto", "headwater/v1/recommender.proto")
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6  # numbers of these fields in descriptor.proto
_FIELDS, _NESTED_ENUMS, _VALUES, _METHODS = 2, 4, 2, 2
_F = FieldDescriptorProto


def page() -> str:
    """docs/reference/messages.md."""
    lines = [
        "# Messages",
        "",
        "The contract: `protos/headwater/v1/*.proto`, package `headwater.v1`. Fields and messages are only ever added; a reader",
        "passes over those that it does not know. The topics and the JSON form are in [asyncapi.yaml](../asyncapi.yaml).",
    ]
    files = described_files()
    for path in _SHOWN:
        lines += ["", f"## {path}"]
        lines += _services(files[path])
        lines += _messages(files[path])
    return "\n".join(lines) + "\n"


def _services(file: FileDescriptorProto) -> list[str]:
    lines: list[str] = []
    for at, service in enumerate(file.service):
        lines += ["", f"### {service.name} (service)", "", comment(file, _SERVICES, at), ""]
        lines += ["| call | request | response | meaning |", "| --- | --- | --- | --- |"]
        for number, method in enumerate(service.method):
            ends = f"{_linked(method.input_type)} | {_linked(method.output_type)}"
            lines.append(f"| `{method.name}` | {ends} | {comment(file, _SERVICES, at, _METHODS, number)} |")
    return lines


def _messages(file: FileDescriptorProto) -> list[str]:
    lines: list[str] = []
    for at, message in enumerate(file.message_type):
        lines += ["", f"### {message.name}", "", comment(file, _MESSAGES, at)]
        if message.field:
            lines += ["", "| field | type | number | meaning |", "| --- | --- | --- | --- |"]
        for number, field in enumerate(message.field):
            words = comment(file, _MESSAGES, at, _FIELDS, number)
            if field.HasField("oneof_index") and not field.proto3_optional:
                words = f"One of `{message.oneof_decl[field.oneof_index].name}`. {words}".strip()
            lines.append(f"| `{field.name}` | {_type(message.name, field)} | {field.number} | {words} |")
        for index, enum in enumerate(message.enum_type):
            lines += ["", f"**{message.name}.{enum.name}**", "", "| value | number | meaning |", "| --- | --- | --- |"]
            for number, value in enumerate(enum.value):
                words = comment(file, _MESSAGES, at, _NESTED_ENUMS, index, _VALUES, number)
                lines.append(f"| `{value.name}` | {value.number} | {words} |")
    return lines


def _type(message: str, field: FieldDescriptorProto) -> str:
    if field.type_name.endswith("Entry") and field.label == _F.LABEL_REPEATED:
        return "map"
    if field.type in (_F.TYPE_MESSAGE, _F.TYPE_ENUM):
        kind = _linked(field.type_name)
    else:
        kind = _F.Type.Name(field.type).removeprefix("TYPE_").lower()
    if field.label == _F.LABEL_REPEATED:
        return f"list of {kind}"
    return f"{kind}, optional" if field.proto3_optional else kind


def _linked(type_name: str) -> str:
    name = type_name.removeprefix(".headwater.v1.")
    if type_name.startswith(".google"):
        return type_name.rpartition(".")[2]
    return f"`{name}`" if "." in name else f"[{name}](#{name.lower()})"
