"""Ids of users, items and events in cells: what is none, and how one id is written in different ways."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

__all__ = ["WAYS", "NotAnId", "id_of", "is_missing", "normalized", "same_by"]

_MISSING = frozenset(("", "null", "none", "nan", "\\n", "n/a", "na", "<na>", "nil", "undefined", "nat", "#n/a", "(null)"))
_FRACTION = re.compile(r"([+-]?\d+)\.0+")
_ZEROS = re.compile(r"0+(?=\d)")

WAYS = ("fraction", "unicode", "case", "zeros")
"""Ways in which one id may be written differently, the most harmless first: 123.0 and 123; an umlaut of one sign or two, or
full-width digits; capital letters; zeros in front."""


class NotAnId(ValueError):
    """A cell that is no id; the message says what it is."""


def is_missing(value: Any) -> bool:
    """Whether a cell says that there is nothing: NULL, NaN, None, \\N, blanks.

    >>> [is_missing(value) for value in (None, float("nan"), " ", "NULL", "\\\\N", 0, "0", "nancy")]
    [True, True, True, True, True, False, False, False]
    """
    if value is None:
        return True
    if isinstance(value, str):
        return value.strip().lower() in _MISSING
    return isinstance(value, float) and value != value


def id_of(value: Any, ways: Sequence[str] = ()) -> str | None:
    """The id in a cell, without blanks around it; None where it is missing.

    Args:
        ways: those of WAYS by which ids are normalized.

    Raises:
        NotAnId: a list or an object.

    >>> id_of(" 18 "), id_of(18.0), id_of("18.0"), id_of("18.0", ["fraction"]), id_of("NULL")
    ('18', '18', '18.0', '18', None)
    """
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _MISSING:
            return None
        if text[0] + text[-1] in ("[]", "{}") and len(text) > 1:
            raise NotAnId(f"holds {'an object' if text[0] == '{' else 'a list'}, not one id")
        return normalized(text, ways) if ways else text
    if isinstance(value, (list, tuple, dict, set)) or hasattr(value, "tolist"):
        raise NotAnId(f"holds {'an object' if isinstance(value, dict) else 'a list'}, not one id")
    if is_missing(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return normalized(str(value), ways) if ways else str(value)


def normalized(text: str, ways: Sequence[str]) -> str:
    """An id with the differences taken out that these ways name.

    >>> normalized("\\uff10\\uff10\\uff17.0", ["fraction", "unicode", "zeros"])
    '7'
    """
    if "unicode" in ways:
        text = unicodedata.normalize("NFKC", text)
    if "fraction" in ways and (whole := _FRACTION.fullmatch(text)):
        text = whole[1]
    if "case" in ways:
        text = text.casefold()
    if "zeros" in ways:
        text = _ZEROS.sub("", text, count=1) if text[:1] == "0" else text
    return text


def same_by(strange: set[str], known: set[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The fewest ways by which ids that are not among the known ones would be, and the pairs that they bring together.

    >>> same_by({"18.0", "19.0", "x"}, {"18", "19"})
    (('fraction',), {'18.0': '18', '19.0': '19'})
    """
    best: tuple[tuple[str, ...], dict[str, str]] = ((), {})
    for way in WAYS:
        ways = (*best[0], way)
        plain = {normalized(one, ways): one for one in known}
        pairs = {one: plain[normalized(one, ways)] for one in sorted(strange) if normalized(one, ways) in plain}
        if len(pairs) > len(best[1]):
            best = (ways, pairs)
    return best
