"""What the front page shows is what the files of figures say."""

from benchmarks.front.page import PICTURE, README, RESULTS, load, table, with_table
from benchmarks.front.picture import picture


def test_the_table_is_that_of_the_results() -> None:
    """After a new measurement: python -m benchmarks.front."""
    page = README.read_text(encoding="utf-8")
    assert with_table(page, table(load(RESULTS))) == page


def test_the_picture_is_that_of_the_demo_and_fetches_nothing() -> None:
    """The same, and no font or script of another host is in it."""
    svg = PICTURE.read_text(encoding="utf-8")
    assert picture(load(RESULTS)["demo"]) == svg
    assert "url(http" not in svg
    assert "font-face" not in svg
