"""The generated code that is checked in is what the .proto files give."""

from pathlib import Path

from protos.generate import ROOT, generate


def test_checked_in_code_is_current(tmp_path: Path) -> None:
    """Generating again yields the same files with the same contents; else run `make protos`."""
    generate(tmp_path)
    fresh = {path.name: path.read_text() for path in (tmp_path / "protos").iterdir()}
    checked_in = {path.name: path.read_text() for path in (ROOT / "protos").glob("*_pb2*") if path.suffix in (".py", ".pyi")}
    assert sorted(fresh) == sorted(checked_in)
    stale = [name for name, text in fresh.items() if checked_in[name] != text]
    assert not stale, f"stale generated code: {stale}; run `make protos`"
