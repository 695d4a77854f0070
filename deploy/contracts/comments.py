"""Owns the .proto files as data: every message and field with the comment that stands above it. Needs grpcio-tools."""

import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from deploy.contracts.generate import IMPORT_ROOT, PROTOS

__all__ = ["comment", "described_files"]


@cache
def described_files() -> dict[str, FileDescriptorProto]:
    """The .proto files by path, comments included.

    Raises:
        RuntimeError: protoc refused; its own words are on standard error.
    """
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "descriptors"
        include = [f"--proto_path={IMPORT_ROOT}", f"--proto_path={files('grpc_tools') / '_proto'}"]
        if protoc.main(["protoc", *include, "--include_source_info", f"--descriptor_set_out={out}", *PROTOS]) != 0:
            raise RuntimeError(f"protoc failed on {', '.join(PROTOS)}; its message is above")
        found = FileDescriptorSet.FromString(out.read_bytes())
    return {file.name: file for file in found.file}


def comment(file: FileDescriptorProto, *path: int) -> str:
    """The comment above the element at `path` (as SourceCodeInfo counts it), in one line; empty where there is none."""
    for location in file.source_code_info.location:
        if tuple(location.path) == path:
            return " ".join(location.leading_comments.split())
    return ""
