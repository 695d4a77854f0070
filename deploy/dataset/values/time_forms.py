"""Forms of written times: which forms a text may be in, as datetime.strptime takes them, and which one a column is in."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

__all__ = ["NUMBERS", "SERIAL", "common_forms", "fits", "forms_of", "parsed", "tidied"]

SERIAL = "serial"
"""Name of the form of spreadsheets' dates: days since 30 December 1899."""

NUMBERS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Forms without signs between, by their digits."""

_CLOCK = re.compile(r"(?<![\d:])(\d{1,2}):(\d{2})(?::(\d{2})(?:([.,])(\d+))?)?(?P<half>\s*[AaPp][Mm])?(?![\d:])")
_HALF = re.compile(r"(?<=\d)(\s*)([AaPp])\.\s?[Mm]\.")
_SPACE = re.compile(r"\s+")
_AROUND = frozenset(("t", "at", "of", "de", "um", "uhr", "the"))
"""Words that may stand in a written time."""
_ZONE = re.compile(r"\s*(?:[+-]\d{2}:?\d{2}|Z)(?=$|\s\d{4}$)|\s+(?:UTC|GMT)(?=$|\s\d{4}$)", re.IGNORECASE)
_OFFSET = re.compile(r"(?<=\d) ?(?:UTC|GMT) ?([+-])(\d{1,2}):?(\d{2})?$", re.IGNORECASE)
_WEEKDAYS = {"%A": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]}
_WEEKDAYS["%a"] = [name[:3] for name in _WEEKDAYS["%A"]]
_MONTHS = {
    "%B": [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ],
}
_MONTHS["%b"] = [name[:3] for name in _MONTHS["%B"]]
_LETTERS = re.compile(r"[A-Za-z]{2}|[A-Za-z]\.")
_SEPT = re.compile(r"\bsept\b\.?", re.IGNORECASE)
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
_WORD = re.compile(r"[A-Za-z]+")
_DIGITS = re.compile(r"\d+")
_YEARS = range(1900, 2100)


def forms_of(text: str) -> list[str]:
    """The forms that a written time may be in, the likeliest first; none for what is no date.

    Of numbers that may be days or months the day comes first, but beside a clock of twelve hours the month does.

    >>> forms_of("Tue, 01 Sep 2026 08:07:56 GMT"), forms_of("9/1/26 8:07 PM")[0], forms_of("20260901"), forms_of("n/a")
    (['%a, %d %b %Y %H:%M:%S GMT'], '%m/%d/%y %I:%M %p', ['%Y%m%d'], [])
    """
    text = tidied(text)
    if len(text) > 60 or "%" in text:
        return []
    rest, zone, year = _cut_zone(text)
    rest, clock, half = _cut_clock(rest + year)
    forms = [date.replace("\0", clock) + zone for date in _dates(rest, half)]
    if year:
        forms = [form.removesuffix(f" %Y{zone}") + f"{zone} %Y" for form in forms]
    return [form for form in forms if fits(text, form)]


def tidied(text: str) -> str:
    """A written time with single plain spaces, and without what strptime does not know: "a.m.", "Sept", "1st".

    >>> tidied(" Sept 1st, 2026  8:07 p.m. ")
    'Sep 1, 2026 8:07 pm'
    """
    text = _SPACE.sub(" ", text.strip())
    if text.isascii() and not _LETTERS.search(text):
        return text
    text = _OFFSET.sub(lambda match: f"{match[1]}{match[2]:0>2}:{match[3] or '00'}", text)
    return _ORDINAL.sub("", _SEPT.sub("Sep", _HALF.sub(r"\1\2m", text)))


def fits(text: str, form: str) -> bool:
    """Whether a text, tidied, is a time in a form."""
    return parsed(text, form) is not None


def parsed(text: str, form: str) -> datetime | None:
    """The time that a text, tidied, is in a form; None where it is not in it. A form that ends in UTC or GMT is of that zone."""
    try:
        found = datetime.strptime(text, form)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if "UTC" in form or "GMT" in form else found


def _cut_zone(text: str) -> tuple[str, str, str]:
    """What stands before a zone, the zone's form, and a year behind it, as dates of Unix commands have it."""
    match = _ZONE.search(text)
    before = text[: match.start()] if match else ""
    if not match or not _DIGITS.search(before) or (":" not in before and match[0].strip()[0] in "+-"):
        return text, "", ""
    sign = match[0].strip()
    said = match[0] if sign.upper() in ("UTC", "GMT") else match[0].removesuffix(sign) + "%z"
    return before, said, text[match.end() :]


def _cut_clock(text: str) -> tuple[str, str, bool]:
    """The text with \\0 in place of its clock, the clock's form, and whether it has twelve hours."""
    # A colon may stand between day and clock, as in the logs of web servers.
    found = list(_CLOCK.finditer(re.sub(r"(?<=\d{4}):(?=\d)", "\1", text)))
    if len(found) != 1:
        return text, "", False
    match = found[0]
    form = "%H:%M"
    if match[3]:
        form += ":%S"
    if match[4]:
        form += f"{match[4]}%f"
    if match["half"]:
        form = form.replace("%H", "%I") + match["half"][:-2] + "%p"
    return text[: match.start()] + "\0" + text[match.end() :], form, bool(match["half"])


def _dates(text: str, half: bool) -> list[str]:
    """Forms of the date in a text without its clock."""
    named = strange = False

    def word(match: re.Match[str]) -> str:
        nonlocal named, strange
        small = match[0].lower()
        for form, names in _WEEKDAYS.items():
            if small in names:
                return form
        for form, names in reversed(_MONTHS.items()):
            if small in names:
                named = True
                return form
        strange |= small not in _AROUND
        return match[0]

    shape = _WORD.sub(word, text)
    numbers = [(match.start(), match.end(), match[0]) for match in _DIGITS.finditer(shape)]
    widths = [len(number) for _, _, number in numbers]
    if strange:
        return []
    if len(widths) == 1 and widths[0] in NUMBERS and int(numbers[0][2][:4]) in _YEARS:
        return [_replaced(shape, numbers, [NUMBERS[widths[0]]])]
    if len(numbers) != (2 if named else 3) or any(width > 4 or width == 3 for width in widths):
        return []
    orders = [["%d", "%Y"], ["%Y", "%d"]] if named else [["%d", "%m", "%Y"], ["%m", "%d", "%Y"], ["%Y", "%m", "%d"]]
    if half and not named:
        orders = [orders[1], orders[0], orders[2]]
    forms = []
    for order in orders:
        year = widths[order.index("%Y")]
        if year == 4 or (year == 2 and 4 not in widths):
            forms.append(_replaced(shape, numbers, [sign if sign != "%Y" or year == 4 else "%y" for sign in order]))
    return forms


def _replaced(shape: str, numbers: Sequence[tuple[int, int, str]], signs: Sequence[str]) -> str:
    for (begin, end, _), sign in reversed(list(zip(numbers, signs, strict=True))):
        shape = shape[:begin] + sign + shape[end:]
    return shape


def common_forms(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Forms that together fit the texts, the commonest first, and the texts that none fits.

    >>> common_forms(["31/12/2024", "1/2/2025", "soon"])
    (['%d/%m/%Y'], ['soon'])
    """
    left = list(texts)
    found: list[str] = []
    while left:
        votes: Counter[str] = Counter()
        for text in left:
            votes.update(dict.fromkeys(forms_of(text), 1))
        if not votes:
            break
        best = max(votes, key=lambda form: (votes[form], -_order(form)))
        found.append(best)
        left = [text for text in left if not fits(text, best)]
    return found, left


def _order(form: str) -> int:
    """Of forms that fit equally many, a day before the month comes first; before a clock of twelve hours a month."""
    day_first = form.find("%d") < form.find("%m") if "%m" in form else True
    return int(day_first == ("%p" in form))
