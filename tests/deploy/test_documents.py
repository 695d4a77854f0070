"""The operators' pages speak of what exists: settings, commands, files, metrics, dashboards."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from deploy.cli import app
from deploy.prometheus.catalogue import metrics
from tests.deploy.settings import variables

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*(DOCS / f"{name}.md" for name in ("operations", "capacity", "upgrades", "guides/sre")), *DOCS.glob("runbooks/*.md")]


@pytest.fixture(params=PAGES, ids=lambda path: path.stem)
def page(request: pytest.FixtureRequest) -> Path:
    """Each page in turn."""
    path: Path = request.param
    return path


def test_settings_and_metrics_exist(page: Path) -> None:
    """Every HEADWATER_* is read by a process, every headwater_* is declared by one."""
    text = page.read_text()
    assert set(re.findall(r"HEADWATER_[A-Z_]*[A-Z]", text)) <= variables()
    declared = {metric.name for metric in metrics()}
    assert set(re.findall(r"\b(?:headwater|grpc_server)_[a-z_]+", text)) <= declared


def test_links_and_paths_lead_somewhere(page: Path) -> None:
    """Relative links, and paths of the repository in code marks, are there; a link to a heading finds it."""
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", text):
        assert not link or (page.parent / link).exists(), link
    for path in re.findall(r"`((?:deploy|streams|serving|feature_repo|tests|benchmarks|docs)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines() if line[:1] == "#"
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_commands_exist(page: Path) -> None:
    """Each `headwater ...` names a command, and its options are that command's."""
    root = get_command(app)
    # Commands stand alone in code marks or on a line of a block; what follows `#` is a remark.
    for line in re.findall(r"`headwater ([^`]+)`|^ *headwater ([^#\n]+)", page.read_text(), flags=re.MULTILINE):
        words = (line[0] or line[1]).split()
        command = root
        while words and hasattr(command, "commands") and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert command is not root, line
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_make_targets_exist(page: Path) -> None:
    """Each `make ...` is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= targets
