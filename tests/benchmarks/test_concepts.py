"""The plots of the concept pages: the command draws each, and each page shows the one of its name."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.concepts.__main__ import main
from benchmarks.concepts.plots import PLOTS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PLOTS)
def test_the_command_draws_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On two days of the newsroom: lines with points, and colours for a dark page as well."""
    monkeypatch.chdir(tmp_path)
    main(["--days", "2", "--out", str(tmp_path), name])
    drawn = ET.fromstring((tmp_path / f"{name}.svg").read_text())
    lines = [group for group in drawn.iterfind(".//{*}g") if group.get("id", "").startswith("line-")]
    assert len(lines) >= 3
    assert all("L" in next(line.iterfind(".//{*}path")).attrib["d"] for line in lines)
    assert "prefers-color-scheme: dark" in (tmp_path / f"{name}.svg").read_text()


def test_every_concept_page_shows_its_plot() -> None:
    """And the file is there."""
    pages = {path.stem: path.read_text() for path in (DOCS / "concepts").glob("*.md")}
    assert set(pages) == set(PLOTS)
    for name, page in pages.items():
        assert f"](../pictures/{name}.svg)" in page
        assert (DOCS / "pictures" / f"{name}.svg").is_file()


def test_an_unknown_plot_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """With the names that there are."""
    with pytest.raises(SystemExit):
        main(["freshness"])
    assert "there is no such plot; choose of impressions" in capsys.readouterr().err
