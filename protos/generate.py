"""Owns the generation of the code beside the .proto files: `python -m protos.generate`."""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

__all__ = ["PROTOS", "ROOT", "generate"]

ROOT = Path(__file__).resolve().parent.parent
PROTOS = tuple(sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "protos").glob("*.proto")))
_SERVICES = ("protos/recommender.proto",)


def generate(destination: Path) -> None:
    """Writes messages, their stubs and the service of every .proto file under `destination`/protos.

    Raises:
        RuntimeError: protoc refused; its own words are on standard error.
    """
    well_known = files("grpc_tools") / "_proto"
    include = [f"--proto_path={ROOT}", f"--proto_path={well_known}"]
    runs = (
        [f"--python_out={destination}", f"--pyi_out={destination}", *PROTOS],
        [f"--grpc_python_out={destination}", *_SERVICES],
    )
    for arguments in runs:
        if protoc.main(["protoc", *include, *arguments]) != 0:
            raise RuntimeError(f"protoc failed on {' '.join(arguments)}; its message is above")


if __name__ == "__main__":
    generate(ROOT)
    sys.stdout.write(f"generated from {', '.join(PROTOS)}\n")
