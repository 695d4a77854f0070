"""Owns the generation of the code beside the .proto files: `python -m deploy.contracts.generate`."""

import sys
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

from deploy.contracts.compatibility import BASELINE, breaks

__all__ = ["IMPORT_ROOT", "PROTOS", "ROOT", "describe", "generate"]

ROOT = Path(__file__).resolve().parents[2]
IMPORT_ROOT = ROOT / "protos"
PROTOS = tuple(sorted(path.relative_to(IMPORT_ROOT).as_posix() for path in IMPORT_ROOT.rglob("*.proto")))
_SERVICES = ("headwater/v1/recommender.proto",)


def generate(destination: Path) -> None:
    """Writes messages, their stubs and the service of every .proto file under `destination`.

    Raises:
        RuntimeError: protoc refused; its own words are on standard error.
    """
    runs = (
        [f"--python_out={destination}", f"--pyi_out={destination}", *PROTOS],
        [f"--grpc_python_out={destination}", *_SERVICES],
    )
    for arguments in runs:
        _protoc(*arguments)


def describe(destination: Path) -> FileDescriptorSet:
    """The descriptors of every .proto file, written to the file `destination`; raises RuntimeError as `generate` does."""
    _protoc(f"--descriptor_set_out={destination}", *PROTOS)
    return FileDescriptorSet.FromString(destination.read_bytes())


def _protoc(*arguments: str) -> None:
    include = [f"--proto_path={IMPORT_ROOT}", f"--proto_path={files('grpc_tools') / '_proto'}"]
    if protoc.main(["protoc", *include, *arguments]) != 0:
        raise RuntimeError(f"protoc failed on {' '.join(arguments)}; its message is above")


def main() -> None:
    """Writes the code and the baseline of version 1; writes nothing where a promise would be broken."""
    with TemporaryDirectory() as directory:
        fresh = Path(directory) / BASELINE.name
        described = describe(fresh)
        if broken := breaks(FileDescriptorSet.FromString(BASELINE.read_bytes()), described):
            sys.exit("version 1 would be broken: " + "; ".join(broken))
        generate(IMPORT_ROOT)
        BASELINE.write_bytes(fresh.read_bytes())
    sys.stdout.write(f"generated from {', '.join(PROTOS)}\n")


if __name__ == "__main__":
    main()
