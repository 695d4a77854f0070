"""The wire contracts by buf's rules: its STANDARD lint, and no change that breaks generated code or stored records."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.contracts.compatibility import BASELINE
from deploy.contracts.generate import IMPORT_ROOT, ROOT


def buf(*arguments: str, directory: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """What buf says; skips the test where it is not installed."""
    local = ROOT / "build" / "buf" / "node_modules" / ".bin"
    program = shutil.which("buf", path=f"{os.environ['PATH']}:{local}")
    if program is None:
        pytest.skip("buf is not installed: npm install --prefix build/buf @bufbuild/buf")
    return subprocess.run([program, *arguments], cwd=directory, capture_output=True, text=True, timeout=100, check=False)


def test_contracts_are_clean_by_the_standard_lint() -> None:
    """Packages, files, services, enum values and requests are named and placed as STANDARD wants."""
    done = buf("lint")
    assert done.returncode == 0, done.stdout + done.stderr


def test_contracts_break_nothing_of_the_baseline() -> None:
    """Compared with the committed descriptors, file by file."""
    done = buf("breaking", "--against", str(BASELINE))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_field_with_another_number_would_be_found(tmp_path: Path) -> None:
    """The check can fail: the same files with one number changed."""
    shutil.copytree(IMPORT_ROOT, tmp_path / "protos")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    file = tmp_path / "protos" / "headwater" / "v1" / "events.proto"
    text = file.read_text()
    assert "string user_id = 2;" in text
    file.write_text(text.replace("string user_id = 2;", "string user_id = 22;"))
    done = buf("breaking", "--against", str(BASELINE), directory=tmp_path)
    assert done.returncode == 100, done.stdout + done.stderr
    assert "user_id" in done.stdout
