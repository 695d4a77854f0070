"""docs/asyncapi.yaml, the topics for producers as an AsyncAPI document: `python -m deploy.contracts.asyncapi` writes it.

Payloads are JSON Schemas of the messages' JSON form, with the field names of the .proto files.
"""

import sys
from typing import Any

import yaml
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from deploy.contracts.generate import ROOT, comment, described_files
from headwater.v1.topics import CATALOGUE, ERASURES, EVENTS, Topic

__all__ = ["PATH", "document", "schemas", "text"]

PATH = ROOT / "docs" / "asyncapi.yaml"

_CHANNELS: tuple[tuple[str, Topic, str, str, str], ...] = (
    ("events", EVENTS, "Event", "receive", "Headwater reads what users did and were shown."),
    ("catalogue", CATALOGUE, "CatalogueChange", "receive", "Headwater reads what can be recommended."),
    ("erasures", ERASURES, "Erasure", "send", "Headwater answers the wish of a user to be forgotten."),
)
_MESSAGES, _FIELDS = 4, 2  # the numbers of `message_type` and `field` in descriptor.proto
_TIMESTAMP = ".google.protobuf.Timestamp"
_F = FieldDescriptorProto
_INTEGERS = (_F.TYPE_INT32, _F.TYPE_UINT32, _F.TYPE_FIXED32)
_LONGS = (_F.TYPE_INT64, _F.TYPE_UINT64, _F.TYPE_FIXED64)


def document() -> dict[str, Any]:
    """The AsyncAPI 3.0 document."""
    names = [message for _, _, message, _, _ in _CHANNELS]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Headwater",
            "version": "1",
            "description": "Topics that services write to, and the one that answers. A value is the message as protobuf bytes "
            "(protos/headwater/v1/*.proto) or, where services write, as JSON in UTF-8; both may share a topic. "
            "Written by `make generated`.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(topic, message) for name, topic, message, _, _ in _CHANNELS},
        "operations": {
            f"{action}{name.capitalize()}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": summary,
            }
            for name, _, _, action, summary in _CHANNELS
        },
        "components": {"schemas": schemas(names)},
    }


def schemas(names: list[str]) -> dict[str, Any]:
    """JSON Schemas of these messages and of all that they hold, by name."""
    messages = {
        message.name: (file, at, message)
        for file in described_files().values()
        for at, message in enumerate(file.message_type)
        if file.package.startswith("headwater.")
    }
    found: dict[str, Any] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            file, at, message = messages[name]
            found[name] = _schema(file, at, message)
            waiting += [_short(field.type_name) for field in message.field if field.type_name.startswith(".headwater.")]
            waiting = [one for one in waiting if one in messages]
    return found


def text() -> str:
    """The document as YAML."""
    dumped: str = yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=130)
    return dumped


def _channel(topic: Topic, message: str) -> dict[str, Any]:
    [file] = [one for one in described_files().values() if message in [each.name for each in one.message_type]]
    at = [each.name for each in file.message_type].index(message)
    return {
        "address": topic.name,
        "description": f"Keyed by {topic.key}{'; compacted: the last record of a key stays' if topic.compacted else ''}.",
        "messages": {
            message: {
                "name": message,
                "summary": comment(file, _MESSAGES, at),
                **({} if topic in (EVENTS, CATALOGUE) else {"contentType": "application/x-protobuf"}),
                "payload": {"$ref": f"#/components/schemas/{message}"},
                "bindings": {"kafka": {"key": {"type": "string", "description": f"The message's {topic.key}, in UTF-8."}}},
            }
        },
    }


def _schema(file: FileDescriptorProto, at: int, message: DescriptorProto) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    if words := comment(file, _MESSAGES, at):
        schema["description"] = words
    if message.field:
        schema["properties"] = {
            field.name: _property(message, field) | _described(comment(file, _MESSAGES, at, _FIELDS, number))
            for number, field in enumerate(message.field)
        }
    for index, _ in enumerate(message.oneof_decl):
        members = [one.name for one in message.field if one.HasField("oneof_index") and one.oneof_index == index]
        if len(members) > 1:  # proto3's `optional` is a oneof of one
            schema["oneOf"] = [{"required": [member]} for member in members]
    return schema


def _property(message: DescriptorProto, field: FieldDescriptorProto) -> dict[str, Any]:
    if entry := [one for one in message.nested_type if one.options.map_entry and field.type_name.endswith(f".{one.name}")]:
        return {"type": "object", "additionalProperties": _single(entry[0].field[1])}
    single = _single(field)
    return {"type": "array", "items": single} if field.label == _F.LABEL_REPEATED else single


def _single(field: FieldDescriptorProto) -> dict[str, Any]:
    if field.type_name == _TIMESTAMP:
        return {"type": "string", "format": "date-time"}
    if field.type == _F.TYPE_MESSAGE:
        return {"$ref": f"#/components/schemas/{_short(field.type_name)}"}
    if field.type in _INTEGERS:
        return {"type": "integer"}
    if field.type in _LONGS:
        return {"type": ["integer", "string"], "description": "As JSON of protobuf: a string of digits."}
    if field.type == _F.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    if field.type == _F.TYPE_BOOL:
        return {"type": "boolean"}
    return {"type": "string" if field.type == _F.TYPE_STRING else "number"}


def _described(words: str) -> dict[str, Any]:
    return {"description": words} if words else {}


def _short(type_name: str) -> str:
    return type_name.rpartition(".")[2]


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{PATH}\n")
