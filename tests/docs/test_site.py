"""The documentation site: built without a warning, and nothing in it comes from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it; strict, so a dead link or anchor is an error."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return out


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    """No font server, no script of others: it is read offline, and nobody learns who reads it."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?(https?:[^\s\">]*)", page.read_text())
        linked = re.findall(r"<link[^>]*\shref=\"?(https?:[^\s\">]*)", page.read_text())
        assert loaded + linked == [], page


def test_every_page_of_the_site_is_reached(site: Path) -> None:
    """From the front page by links alone; a page that nobody can find is not there."""
    reached, waiting = set(), [site / "index.html"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        if page.suffix == ".html":
            links = re.findall(r"href=\"?([^\s\">#]+)", page.read_text())
            waiting += [(page.parent / link).resolve() for link in links if "://" not in link and not link.startswith("mailto")]
    missing = {page for page in site.rglob("*.html") if page.name != "404.html"} - reached
    assert missing == set()
