"""Times in recorded data: what a cell means, and which forms a column of dates is in."""

from datetime import UTC, datetime

import pytest

from deploy.dataset.times import formats_of, unix_seconds


@pytest.mark.parametrize("value", [1.7e9, "1700000000", "1.7e12", 1.7e18, "2023-11-14T22:13:20Z", "2023/11/14 23:13:20+01:00"])
def test_one_moment_is_read_in_every_common_form(value: object) -> None:
    """Seconds to nanoseconds, numbers or text, with zones."""
    assert unix_seconds(value) == pytest.approx(1.7e9)


@pytest.mark.parametrize("value", ["gestern", "", "nan", "31.12.2024", "2024-13-01", None])
def test_what_is_no_time_is_refused(value: object) -> None:
    """A form that is not named is none either."""
    with pytest.raises((TypeError, ValueError)):
        unix_seconds(value)


def test_a_named_form_is_read_beside_iso() -> None:
    """No zone means UTC."""
    expected = datetime(2024, 12, 31, 18, 5, tzinfo=UTC).timestamp()
    for text in ("31.12.2024 18:05", "2024-12-31 18:05", "2024年12月31日 18:05"):
        assert unix_seconds(text, ("%d.%m.%Y %H:%M", "%Y年%m月%d日 %H:%M")) == expected


@pytest.mark.parametrize(
    ("cells", "formats"),
    [
        (["2024-01-02", "2024-01-03T10:00:00Z"], ()),
        (["01/02/2024", "12/31/2024"], ("%m/%d/%Y",)),
        (["01/02/2024", "31/12/2024"], ("%d/%m/%Y",)),
        (["1.2.2024 10:00", "2024-02-01", ""], ("%d.%m.%Y %H:%M",)),
        (["31.12.2024 18:05", "12/31/2024"], ("%d.%m.%Y %H:%M", "%m/%d/%Y")),
        (["17", "18"], None),
        (["16 min", "20 min"], None),
        (["2024-01-02", "Rye bread", "White bread"], None),
        ([], None),
    ],
)
def test_the_forms_of_a_column_are_told_from_its_cells(cells: list[str], formats: tuple[str, ...] | None) -> None:
    """A month above 12 tells the order of day and month; numbers and words are no dates."""
    assert formats_of(cells) == formats
