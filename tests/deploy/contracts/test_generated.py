"""The generated code that is checked in is what the .proto files give."""

from pathlib import Path

from deploy.contracts.generate import IMPORT_ROOT, generate


def test_checked_in_code_is_current(tmp_path: Path) -> None:
    """Generating again yields the same files with the same contents; else run `make protos`."""
    generate(tmp_path)
    fresh, checked_in = (
        {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*_pb2*") if path.suffix in (".py", ".pyi")}
        for root in (tmp_path, IMPORT_ROOT)
    )
    assert sorted(fresh) == sorted(checked_in)
    stale = [name for name, text in fresh.items() if checked_in[name] != text]
    assert not stale, f"stale generated code: {stale}; run `make protos`"
