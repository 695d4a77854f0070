"""Owns times in recorded data: a cell of any common form as Unix seconds, and the forms that a column of dates is in."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

__all__ = ["formats_of", "unix_seconds"]

_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y年%m月%d日")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", ", %H:%M:%S")
_MOST = 0.9


def unix_seconds(value: Any, formats: Sequence[str] = ()) -> float:
    """Unix seconds of a time: a number (of ms, us or ns where it is too large for seconds), ISO 8601, a time type, or a text.

    Args:
        formats: forms of a text that is neither a number nor ISO 8601, as datetime.strptime takes them. No zone means UTC.

    Raises:
        ValueError: it is none of these.

    >>> unix_seconds("1970-01-01T00:01") == unix_seconds("01.01.1970 00:01", ["%d.%m.%Y %H:%M"]) == 60.0
    True
    """
    if isinstance(value, str):
        value = _read(value.strip(), formats)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError("not a finite number")
    # Seconds reach 1e11 in the year 5138, milliseconds reached it in 1973.
    while seconds >= 1e11:
        seconds /= 1000.0
    return seconds


def formats_of(values: Iterable[Any]) -> tuple[str, ...] | None:
    """The forms, beside ISO 8601, that nearly all of a column's cells are in; None where they are no dates. Numbers are none.

    Of forms that fit equally well, such as a day before a month and after it, the first one is taken.

    >>> formats_of(["2024-03-01", "31/12/2024", "1/2/2025"])
    ('%d/%m/%Y',)
    """
    cells = [value for value in values if value not in (None, "")]
    texts = [value.strip() for value in cells if isinstance(value, str) and value.strip()[:1].isdigit() and not _number(value)]
    dated = sum(isinstance(value, date) for value in cells)
    if not cells or dated + len(texts) < _MOST * len(cells):
        return None
    left = [text for text in texts if not _fits(text, None)]
    found: list[str] = []
    while left:
        counts = {form: sum(_fits(text, form) for text in left) for form in (day + clock for day in _DAYS for clock in _CLOCKS)}
        best = max(counts, key=lambda form: counts[form])
        if not counts[best]:
            break
        found.append(best)
        left = [text for text in left if not _fits(text, best)]
    return tuple(found) if dated + len(texts) - len(left) >= _MOST * len(cells) else None


def _read(text: str, formats: Sequence[str]) -> datetime | float:
    if _number(text):
        return float(text)
    for form in (None, *formats):
        if _fits(text, form):
            return _date(text, form)
    raise ValueError("no time")


def _date(text: str, form: str | None) -> datetime:
    return datetime.fromisoformat(text.replace("/", "-")) if form is None else datetime.strptime(text, form)


def _fits(text: str, form: str | None) -> bool:
    """Whether the text is a date in that form; None is ISO 8601."""
    try:
        _date(text, form)
    except ValueError:
        return False
    return True


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
