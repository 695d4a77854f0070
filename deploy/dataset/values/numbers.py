"""Numbers as people write them: with currencies, grouped digits, decimal commas, units of time, or as hours and minutes."""

import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from deploy.dataset.values.ids import is_missing

__all__ = ["decimal_sign_of", "number_of", "says_nothing", "seconds_of"]

_AROUND = re.compile(r"^(?:[^\W\d_]{1,4}\.?|[^\w\s.,+\-()])?\s*|\s*(?:[^\W\d_]{1,4}\.?|[^\w\s.,()])?$")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:([ '\u2019.,])\d{3})(?:\1\d{3})*(?:([.,])\d+)?|[+-]?\d+(?:([.,])\d+)?")
_CLOCK = re.compile(r"(?:(?P<days>\d+) days?,? )?(?:(?P<hours>\d+):)?(?P<minutes>\d{1,3}):(?P<seconds>\d{2}(?:[.,]\d+)?)")
_ISO = re.compile(r"P(?:(?P<days>\d+)D)?T?(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>[\d.]+)S)?", re.IGNORECASE)
_UNITS = re.compile(
    r"(?:(?P<days>\d+) ?d(?:ays?)?)? ?(?:(?P<hours>\d+(?:\.\d+)?) ?h(?:ours?|rs?)?)? ?"
    r"(?:(?P<minutes>\d+(?:\.\d+)?) ?m(?:in(?:ute)?s?)?)? ?(?:(?P<seconds>\d+(?:\.\d+)?) ?s(?:ec(?:ond)?s?)?)?",
    re.IGNORECASE,
)
_LETTERED = re.compile(r"\d\s*[A-Za-z]")
_IN_SECONDS = {"days": 86_400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
_NOTHING = frozenset("-\u2013\u2014\u2212?.*/x")
"""Signs that stand for no value."""


def says_nothing(value: Any) -> bool:
    """Whether a cell says that there is no value: missing, or a dash.

    >>> [says_nothing(value) for value in ("N/A", "—", "--", "0", 0)]
    [True, True, True, False, False]
    """
    return is_missing(value) or (isinstance(value, str) and set(value.strip()) <= _NOTHING)


def number_of(value: Any, decimal: str = "") -> float | None:
    """The finite number in a cell; None where it is none, or where a comma may part thousands or a fraction.

    Args:
        decimal: what parts the fraction, `.` or `,`, where the column says so; else what a cell itself tells.

    >>> number_of("4,5"), number_of("4.50"), number_of("1,000"), number_of("1,000", "."), number_of("k. A.")
    (4.5, 4.5, None, 1000.0, None)
    >>> number_of("$1,272.50"), number_of("1.272,50 €"), number_of("1 272,50"), number_of("CHF 1'272.50"), number_of("(3.00)")
    (1272.5, 1272.5, 1272.5, 1272.5, -3.0)
    """
    if isinstance(value, bool):
        return float(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        found = _written(value, decimal) if isinstance(value, str) else None
        return found
    if isinstance(value, str) and decimal == "," and "." in value and _groups(value.strip(), "."):
        number = float(value.replace(".", ""))
    return number if math.isfinite(number) else None


def _groups(text: str, sign: str) -> bool:
    return re.fullmatch(rf"[+-]?\d{{1,3}}(?:\{sign}\d{{3}})+", text) is not None


def _written(text: str, decimal: str) -> float | None:
    text = unicodedata.normalize("NFKC", text).replace("\u2212", "-").strip()
    if text.startswith("(") and text.endswith(")"):
        found = _written(text[1:-1], decimal)
        return None if found is None else -found
    sign = ""
    if text[:1] in ("-", "+"):
        sign, text = text[0], text[1:].strip()
    text = sign + _AROUND.sub("", text)
    match = _GROUPED.fullmatch(text)
    if not match:
        return None
    group, after, alone = match.groups()
    if group in (".", ",") and after is None and text.count(group) == 1:
        # 1,272 is a thousand in one country and a little more than one in another.
        if decimal == group:
            after, group = group, None
        elif not decimal:
            return None
    fraction = after or alone
    if decimal and fraction and fraction != decimal:
        return None
    if group:
        text = text.replace(group, "")
    return float(text.replace(",", "."))


def decimal_sign_of(values: Iterable[Any]) -> str:
    """What parts fractions in a column, `.` or `,`, where some cell tells; empty where none does, or where they disagree.

    >>> decimal_sign_of(["1,272", "872.50"]), decimal_sign_of(["1.272,50 €", "12 €"]), decimal_sign_of(["12"])
    ('.', ',', '')
    """
    found = set()
    for value in values:
        text = re.sub(r"[^\d.,]", "", value).strip(".,") if isinstance(value, str) else ""
        last = max(text.rfind("."), text.rfind(","))
        if last >= 0 and (len(text) - last - 1 != 3 or len(set(text) & {".", ","}) == 2):
            found.add(text[last])
        elif last >= 0 and text.count(text[last]) > 1:
            found.add("," if text[last] == "." else ".")
    return found.pop() if len(found) == 1 else ""


def seconds_of(value: Any, decimal: str = "", unit: float = 1.0) -> float | None:
    """Seconds of a duration: a number times `unit`, hours and minutes by colons, or with units; None where it is none.

    >>> seconds_of("00:46:05"), seconds_of("4:05"), seconds_of("1h 2m"), seconds_of("PT46M5S"), seconds_of("1,5", unit=60.0)
    (2765.0, 245.0, 3720.0, 2765.0, 90.0)
    """
    if hasattr(value, "total_seconds"):
        return float(value.total_seconds())
    if hasattr(value, "hour"):
        return float(value.hour * 3600 + value.minute * 60 + value.second)
    number = number_of(value, decimal) if not isinstance(value, str) or not _LETTERED.search(value) else None
    if number is not None:
        return unit * number
    text = value.strip() if isinstance(value, str) else ""
    for form in (_CLOCK, _ISO, _UNITS):
        if text and (match := form.fullmatch(text)) and any(match.groups()):
            parts = ((name, part) for name, part in match.groupdict().items() if part)
            return sum(_IN_SECONDS[name] * float(part.replace(",", ".")) for name, part in parts)
    return None
