"""A cell of any common form as Unix seconds, and the forms that a column of times is in."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from deploy.dataset.values.ids import is_missing
from deploy.dataset.values.time_forms import NUMBERS, SERIAL, common_forms, fits, parsed, tidied

__all__ = ["formats_of", "is_clock", "joined", "names_zone", "number_forms", "unix_seconds"]

_MOST = 0.9
_SERIALS = (25_569.0, 73_051.0)  # 1970 to 2100
_EPOCH = datetime(1899, 12, 30)
_LOOKED_AT = 2_000


def unix_seconds(value: Any, formats: Sequence[str] = (), zone: tzinfo = UTC) -> float:
    """Unix seconds of a time: a number (of ms, us or ns where it is too large for seconds), ISO 8601, a time type, or a text.

    Args:
        formats: forms of a text that is neither a number nor ISO 8601, as datetime.strptime takes them, or `serial`; of a number
            too, where a form without signs fits it.
        zone: of times that name none.

    Raises:
        ValueError: it is none of these.

    >>> unix_seconds("1970-01-01T00:01") == unix_seconds("01.01.1970 00:01", ["%d.%m.%Y %H:%M"]) == 60.0
    True
    >>> unix_seconds(20260901, ["%Y%m%d"]) == unix_seconds("46266", ["serial"]) == unix_seconds("2026-09-01")
    True
    """
    found = _read(value, formats)
    if isinstance(found, datetime):
        return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()
    if not math.isfinite(found):
        raise ValueError("not a finite number")
    # Seconds reach 1e11 in the year 5138, milliseconds reached it in 1973.
    while found >= 1e11:
        found /= 1000.0
    return found


def names_zone(value: Any, formats: Sequence[str] = ()) -> bool:
    """Whether a time says of which zone it is, as numbers of seconds do; raises as `unix_seconds`."""
    found = _read(value, formats)
    return not isinstance(found, datetime) or found.tzinfo is not None


def joined(day: Any, clock: Any) -> Any:
    """A date and a time of day, from two columns, as one cell; the date alone where the other is missing."""
    if is_missing(clock):
        return day
    if isinstance(day, datetime):
        day = day.date()
    return f"{day.isoformat() if isinstance(day, date) else day} {clock.isoformat() if isinstance(clock, time) else clock}"


def is_clock(cells: Iterable[Any]) -> bool:
    """Whether these are times of day.

    >>> is_clock(["8:07", "20:15:30"]), is_clock(["2026-09-01 8:07"])
    (True, False)
    """
    found = [cell for cell in cells if not is_missing(cell)]
    return bool(found) and all(isinstance(cell, time) or _is_clock(str(cell)) for cell in found[:_LOOKED_AT])


def _is_clock(text: str) -> bool:
    forms = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p")
    return ":" in text and any(fits(tidied(text), form) for form in forms)


def formats_of(values: Iterable[Any]) -> tuple[str, ...] | None:
    """The forms, beside ISO 8601, that nearly all of a column's cells are in; None where they are no dates. Numbers are none.

    Of forms that fit equally well, such as a day before a month and after it, the first one is taken.

    >>> formats_of(["2024-03-01", "31/12/2024", "1/2/2025"])
    ('%d/%m/%Y',)
    """
    cells = [value for value in values if not is_missing(value)]
    texts = [tidied(value) for value in cells if isinstance(value, str) and not _number(value)]
    dated = sum(isinstance(value, date) for value in cells)
    if not cells or dated + len(texts) < _MOST * len(cells):
        return None
    left = [text for text in texts if _iso(text) is None]
    found, strange = common_forms(left[:: max(len(left) // _LOOKED_AT, 1)])
    if len(strange) > (1 - _MOST) * len(left):
        return None
    unread = sum(not any(fits(text, form) for form in found) for text in left) if strange else 0
    return tuple(found) if dated + len(texts) - unread >= _MOST * len(cells) else None


def number_forms(values: Iterable[Any]) -> tuple[str, ...]:
    """The form of a column of numbers that are times, but not Unix seconds: digits of a date, or a spreadsheet's days.

    >>> number_forms([20260901, 20260930]), number_forms(["46266.5"]), number_forms([1788250076]), number_forms(["soon"])
    (('%Y%m%d',), ('serial',), (), ())
    """
    cells = [value for value in values if not is_missing(value)]
    texts = [_digits(value) for value in cells]
    form = NUMBERS.get(len(texts[0] or "")) if texts else None
    if form is not None and all(text and fits(text, form) for text in texts):
        return (form,)
    serial = cells and all(_number(cell) and _SERIALS[0] <= float(cell) < _SERIALS[1] for cell in cells)
    return (SERIAL,) if serial else ()


def _read(value: Any, formats: Sequence[str]) -> datetime | float:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, str):
        value = tidied(value)
    elif isinstance(value, bool) or value is None:
        raise ValueError("no time")
    if not (isinstance(value, str) and value[4:5] == "-") and _number(value):
        return _of_number(value, formats)
    if not isinstance(value, str):
        raise ValueError("no time")
    if (iso := _iso(value)) is not None:
        return iso
    for form in formats:
        if (found := parsed(value, form)) is not None:
            return found
    raise ValueError("no time")


def _of_number(value: Any, formats: Sequence[str]) -> datetime | float:
    for form in formats:
        if form == SERIAL and _SERIALS[0] <= float(value) < _SERIALS[1]:
            return _EPOCH + timedelta(days=float(value))
        if form in NUMBERS.values() and (found := parsed(_digits(value), form)) is not None:
            return found
    return float(value)


def _digits(value: Any) -> str:
    """A whole number as its digits, of a float or a text too; empty where it is none."""
    if not _number(value) or float(value) != (whole := int(float(value))):
        return ""
    return str(whole)


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return None


def _number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False
