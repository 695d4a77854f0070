"""The page of promises names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_promise_names_a_test_that_exists() -> None:
    """A promise whose test was renamed or removed is one that nobody checks."""
    page = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 8
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            assert test in defined, f"{file} has no {test}, which docs/delivery.md names"


def test_the_settings_that_the_page_names_exist() -> None:
    """They are what an operator would set."""
    page = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
    settings = (ROOT / "streams" / "settings.py").read_text(encoding="utf-8")
    named = re.findall(r"HEADWATER_WORKER_([A-Z_]+)", page)
    assert named
    assert all(f"    {name.lower()}: " in settings for name in named)
