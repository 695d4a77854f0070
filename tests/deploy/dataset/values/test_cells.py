"""Numbers, ids and lists in cells, as people and programs write them."""

from datetime import time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.dataset.values.ids import WAYS, NotAnId, id_of, is_missing, normalized, same_by
from deploy.dataset.values.lists import list_of, parted_by, parts_of_cell
from deploy.dataset.values.numbers import decimal_sign_of, number_of, says_nothing, seconds_of


@pytest.mark.parametrize(
    "text",
    [
        "1272.5",
        "1,272.50",
        "$1,272.50",
        "1.272,50 €",
        "1 272,50",
        "1\u202f272,50 €",
        "CHF 1'272.50",
        "EUR 1.272,5",
        "1272,50 kr",
        "¥1,272.5",
    ],
)
def test_an_amount_is_plain_in_every_country(text: str) -> None:
    """Currencies before and behind, groups, fractions by point or comma; negative with a sign or in brackets."""
    assert number_of(text) == 1272.5
    assert number_of(f"({text})") == -1272.5
    assert number_of(f"-{text}") == number_of(f"\u2212{text}") == -1272.5


def test_a_comma_before_three_digits_means_what_the_column_says() -> None:
    """Alone it may be either; another cell of the column tells."""
    for cells, expected in ((["1,272", "$872.50"], 1272.0), (["1,272", "4,5"], 1.272), (["1.272", "3.000,00"], 1272.0)):
        assert number_of(cells[0], decimal_sign_of(cells)) == expected
    assert number_of("1,272") is None
    assert number_of("1,272,500") == 1272500.0
    assert decimal_sign_of(["1,5", "1.5"]) == decimal_sign_of(["12", None, 3]) == ""


@pytest.mark.parametrize("text", ["", "soon", "k. A.", "1-2", "12 34", "1,2,3", "5 stars", "1.2.3", "inf", "0x10"])
def test_what_is_no_number_is_none(text: str) -> None:
    """Words, versions, lists."""
    assert number_of(text) is None


@pytest.mark.parametrize("cell", [None, "", "  ", "N/A", "null", "-", "--", "—", "\u2013", "?", float("nan")])
def test_a_cell_may_say_that_there_is_none(cell: Any) -> None:
    """By words and by dashes; 0 is something."""
    assert says_nothing(cell)
    assert not says_nothing(0)


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("00:46:05", 2765.0),
        ("4:05", 245.0),
        ("1 day, 00:00:01", 86401.0),
        ("PT1H2M", 3720.0),
        ("1h 2m 3s", 3723.0),
        ("46 min", 2760.0),
        (90, 5400.0),
        ("1,5", 90.0),
        (time(0, 46, 5), 2765.0),
        (timedelta(minutes=2), 120.0),
        ("soon", None),
        ("—", None),
    ],
)
def test_durations_are_read_in_every_form(cell: Any, seconds: float | None) -> None:
    """A plain number is in the unit of its column, here minutes; the others say theirs."""
    assert seconds_of(cell, unit=60.0) == seconds


@pytest.mark.parametrize("cell", [None, float("nan"), "", " ", "NULL", "null", "NaN", "None", "\\N", "<NA>", "N/A", "(null)"])
def test_a_missing_id_is_none(cell: Any) -> None:
    """However the program wrote it that made the file."""
    assert is_missing(cell)
    assert id_of(cell) is None


@pytest.mark.parametrize("cell", [["a"], {"id": 1}, "['a', 'b']", '{"id": 1}', "[1 2]"])
def test_lists_and_objects_are_no_ids(cell: Any) -> None:
    """They say what they are."""
    with pytest.raises(NotAnId, match=r"holds an? (list|object)"):
        id_of(cell)


def test_an_id_has_no_blanks_around_it_and_no_fraction_of_a_float() -> None:
    """A text with a fraction keeps it, unless that is said to be none."""
    assert [id_of(cell) for cell in (" a b ", 18.0, 18, "18.0", "nancy", "0")] == ["a b", "18", "18", "18.0", "nancy", "0"]
    assert id_of("18.0", ["fraction"]) == "18"


@given(st.text(st.sampled_from("0.19aZ\u00fc\u0308\uff11\u00df"), max_size=8))
def test_to_normalize_twice_is_to_normalize_once(text: str) -> None:
    """In all ways together."""
    once = normalized(text, WAYS)
    assert normalized(once, WAYS) == once


@pytest.mark.parametrize(
    ("one", "other", "way"),
    [
        ("18.0", "18", "fraction"),
        ("Ju\u0308rgen", "J\u00fcrgen", "unicode"),
        ("\uff11\uff18", "18", "unicode"),
        ("SKU1", "sku1", "case"),
        ("00018", "18", "zeros"),
    ],
)
def test_the_difference_between_ids_is_named(one: str, other: str, way: str) -> None:
    """The fewest ways that bring them together."""
    assert same_by({one, "x"}, {other, "y"}) == ((way,), {one: other})
    assert same_by({"x"}, {"y"}) == ((), {})


@pytest.mark.parametrize(
    ("cell", "sign", "parts"),
    [
        ("['furniture', 'home']", "", ["furniture", "home"]),
        ('["furniture", null, "home"]', "", ["furniture", "home"]),
        (["furniture", " home "], "|", ["furniture", "home"]),
        ("furniture, home", ",", ["furniture", "home"]),
        ("furniture|home|", "|", ["furniture", "home"]),
        ("{furniture,home}", "", ["furniture", "home"]),
        ("furniture, home", "|", ["furniture, home"]),
        ("NULL", ",", []),
    ],
)
def test_several_values_in_a_cell_are_parted(cell: Any, sign: str, parts: list[str]) -> None:
    """Lists as they are, others by the separator that is named."""
    assert parts_of_cell(cell, sign) == parts


def test_the_sign_between_categories_is_found() -> None:
    """Where a part comes in several combinations; a name with a comma is one category."""
    rooms = ["furniture", "light", "textile", "storage"]
    for sign in ("|", ";", ","):
        assert parted_by([f"{room}{sign} home" for room in rooms]) == sign
    assert parted_by(["Food, Drink", "Toys, Games", "Food, Drink"]) == parted_by(["['a', 'b']"] * 5) == parted_by([]) == ""
    assert list_of("Rye (dark), sliced") is None
