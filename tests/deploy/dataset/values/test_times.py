"""Times in recorded data: what a cell means, and which forms a column of dates is in."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from deploy.dataset.values.time_forms import forms_of
from deploy.dataset.values.times import formats_of, joined, names_zone, number_forms, unix_seconds


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


@pytest.mark.parametrize(
    "text",
    [
        "2026-09-01 20:07:56 UTC",
        "2026-09-01 22:07:56 +0200",
        "2026-09-02 04:07:56 UTC+8",
        "01-Sep-2026 20:07:56",
        "01SEP2026:20:07:56",
        "01/Sep/2026:20:07:56 +0000",
        "Tue, 01 Sep 2026 20:07:56 GMT",
        "Tue Sep  1 20:07:56 2026",
        "Tue Sep 01 20:07:56 +0000 2026",
        "Tuesday, September 1, 2026 8:07:56 PM UTC",
        "Sept. 1st, 2026, 8:07:56 p.m.",
        "09/01/2026 08:07:56 PM",
        "9/1/26 8:07:56 PM",
        "01.09.26 20:07:56",
        "2026/9/1 20:07:56",
        "20:07:56 01.09.2026",
        "2026\u5e749\u67081\u65e5 20:07:56",
        "20260901200756",
    ],
)
def test_a_form_is_found_for_what_people_write(text: str) -> None:
    """Names of months and days, clocks of twelve hours, years of two digits, zones."""
    expected = datetime(2026, 9, 1, 20, 7, 56, tzinfo=UTC).timestamp()
    formats = formats_of([text]) or number_forms([text])
    assert unix_seconds(text, formats) == expected
    assert unix_seconds(f" {text} ", formats) == expected


@pytest.mark.parametrize(
    "text", ["R-1-2-3", "10.0.12.15", "iPhone 12-10-15", "Sep-2026", "3 of 4", "12:30", "1,272.50", "2026-13-45"]
)
def test_what_only_looks_like_a_date_has_no_form(text: str) -> None:
    """Ids, addresses, clocks, amounts."""
    assert forms_of(text) == []


def test_numbers_may_be_dates_and_days_of_a_spreadsheet() -> None:
    """As a column says; without a form they stay Unix seconds."""
    expected = datetime(2026, 9, 1, tzinfo=UTC).timestamp()
    for cells in ([20260901, 20260930], ["20260901"], [20260901.0], ["46266", 46295.5]):
        assert unix_seconds(cells[0], number_forms(cells)) == expected
    assert number_forms([1_788_250_076]) == number_forms([3, 4]) == number_forms(["20261301"]) == number_forms([]) == ()


def test_a_zone_is_that_of_times_that_name_none() -> None:
    """With summer time; a named one, and UTC in a form, go before it."""
    berlin = ZoneInfo("Europe/Berlin")
    assert unix_seconds("2026-07-01 12:00", zone=berlin) == datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp()
    assert unix_seconds("2026-01-01 12:00", zone=berlin) == datetime(2026, 1, 1, 11, tzinfo=UTC).timestamp()
    assert unix_seconds(datetime(2026, 1, 1, 12), zone=berlin) == datetime(2026, 1, 1, 11, tzinfo=UTC).timestamp()
    for text, form in (("2026-01-01T12:00Z", ""), ("2026-01-01 12:00 UTC", "%Y-%m-%d %H:%M UTC"), (1_767_268_800, "")):
        assert unix_seconds(text, [form] if form else [], berlin) == datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
        assert names_zone(text, [form] if form else [])
    assert not names_zone("2026-01-01 12:00")


def test_a_date_and_a_clock_are_one_time() -> None:
    """From text and from typed columns."""
    expected = datetime(2026, 9, 1, 20, 7, tzinfo=UTC).timestamp()
    assert unix_seconds(joined("01.09.2026", "20:07"), ["%d.%m.%Y %H:%M"]) == expected
    assert unix_seconds(joined(date(2026, 9, 1), time(20, 7))) == expected
    assert unix_seconds(joined(datetime(2026, 9, 1), "20:07:00")) == expected
    assert joined("2026-09-01", None) == "2026-09-01"
