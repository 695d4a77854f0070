"""How a delimited text is laid out: separator, quotes, lines before the header, names of the columns."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.dataset.files.batch import HistoryFileError
from deploy.dataset.files.records import Splitter

__all__ = ["SEPARATORS", "Dialect", "sniff"]

SEPARATORS = (",", "\t", ";", "|", "::", "\x01", "\x1f")
"""What may part fields, the likeliest first."""

_SAYS_SEPARATOR = re.compile(r"\s*sep=(.{1,2})\s*", re.IGNORECASE)
_SIGN = re.compile(r"[A-Za-z]+|\d+")
_MISSING = frozenset(("", "null", "none", "nan", "na", "n/a", "\\n", "-"))
_MOST_BEFORE = 50
_WRAPPED = 0.9
_MANY = 3
_TRIED = 3
_LOOKED_AT = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """Layout of a text; `names` are those of its columns, one for each."""

    separator: str
    names: tuple[str, ...]
    header: bool
    skipped: int
    """Lines before the first row, the header's among them."""
    quoted: bool = True
    escaped: bool = False
    notes: tuple[str, ...] = ()
    """What the reader should know: lines passed over, columns of one name."""

    def splitter(self) -> Splitter:
        """What cuts the lines."""
        return Splitter(self.separator, width=len(self.names), quoted=self.quoted, escaped=self.escaped)


def sniff(lines: Sequence[bytes], *, separator: str = "", header: bool | None = None) -> Dialect | None:
    """The layout of a text by its first lines; None where it holds no row.

    Args:
        separator: what parts fields, where that is known.
        header: whether the first row names the columns; found by what it holds if None.

    Raises:
        HistoryFileError: the header names fewer columns than the rows have.

    >>> sniff([b"sep=;", b"user;item", b"u1;i1"]).names
    ('user', 'item')
    """
    said = next((line for line in lines if line.strip()), b"")
    start = 0
    if told := _SAYS_SEPARATOR.fullmatch(said.decode(errors="replace")):
        separator = separator or told[1].replace("\\t", "\t")
        start = lines.index(said) + 1
    body = lines[start:]
    if not any(line.strip() for line in body):
        return None
    best, splitter, width = _separated(body[:_LOOKED_AT], (separator,) if separator else SEPARATORS)
    records = list(splitter.records(body, first=start + 1))
    at = next(place for place, record in enumerate(records) if splitter.width_of(record.text) == width)
    if at > _MOST_BEFORE:
        at = 0
    first = splitter.fields(records[at].text)
    is_row = _is_row(first, [splitter.fields(record.text) for record in records[at + 1 :]])
    if at and is_row and header is not False and 1 < len(names := splitter.fields(records[at - 1].text)) < width:
        raise HistoryFileError(
            f"the header names {len(names)} columns ({', '.join(names)}), but its rows have {width} fields; name each column"
        )
    header = not is_row if header is None else header
    notes = [f"line {record.line} is passed over: {record.text.decode(errors='replace')[:80]}" for record in records[:at]]
    names = first if header else [str(number) for number in range(1, width + 1)]
    unique, twice = _unique([name.strip().lstrip("\ufeff") for name in names])
    return Dialect(
        separator=best,
        names=tuple(unique),
        header=header,
        skipped=records[at].line + records[at].text.count(b"\n") if header else records[at].line - 1,
        quoted=splitter.quoted,
        escaped=splitter.escaped,
        notes=tuple(notes + twice),
    )


def _separated(lines: Sequence[bytes], separators: Sequence[str]) -> tuple[str, Splitter, int]:
    """The separator by which most lines have equally many fields, what cuts by it, and how many these are."""
    best: tuple[tuple[float, int], str, Splitter, int] | None = None
    for separator in separators:
        if len(separators) > 1 and not any(separator.encode() in line for line in lines):
            continue
        for width in _widths(lines, separator):
            quoted, escaped = _quotes(lines, separator, width)
            splitter = Splitter(separator, width=width, quoted=quoted, escaped=escaped)
            records = [record for record in splitter.records(lines) if not record.problem]
            alike = sum(splitter.width_of(record.text) == width for record in records)
            found = ((round(alike / max(len(records), 1), 2) * (width > 1), width), separator, splitter, width)
            if best is None or found[0] > best[0]:
                best = found
    if best is None:
        return ",", Splitter(",", width=1), 1
    return best[1:]


def _widths(lines: Sequence[bytes], separator: str) -> list[int]:
    """Numbers of fields that rows may have: those of most lines, and of the first ones, for rows that span lines."""
    splitter = Splitter(separator, width=1)
    counts = [splitter.width_of(splitter.plain(line)) for line in lines if line.strip()]
    common = [width for width, _ in Counter(counts).most_common(_TRIED)]
    return list(dict.fromkeys(common + counts[:_TRIED])) or [1]


def _quotes(lines: Sequence[bytes], separator: str, width: int) -> tuple[bool, bool]:
    """Whether quotes hide separators, and whether a backslash before a quote makes it a plain one."""
    if any(b'\\"' in line for line in lines):
        plain, escaped = (
            sum(not record.problem for record in Splitter(separator, width=width, escaped=one).records(lines))
            for one in (False, True)
        )
        if escaped > plain:
            return True, True
    sign = separator.encode()
    cut = [line.split(sign) for line in lines if b'"' in line]
    if any(len(fields) != width for fields in cut):
        return True, False
    begun = [field.strip() for fields in cut for field in fields if field.strip().startswith(b'"')]
    wrapped = sum(field.endswith(b'"') and len(field) > 1 for field in begun)
    return len(begun) <= _MANY or wrapped >= _WRAPPED * len(begun), False


def _is_row(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first record is a row like the others, and names no column."""
    told = False
    for at, cell in enumerate(first):
        below = [row[at] for row in rows if at < len(row) and row[at].strip().lower() not in _MISSING]
        if not below or cell.strip().lower() in _MISSING:
            continue
        numbers = sum(map(_number, below))
        if numbers == len(below) and not _number(cell):
            return False
        shape = _SIGN.sub(_shape, cell)
        told |= numbers == len(below) or (any(map(str.isdigit, cell)) and _usual(below) == shape) or below.count(cell) > 1
    return told


def _usual(cells: Sequence[str]) -> str:
    return Counter(_SIGN.sub(_shape, cell) for cell in cells).most_common(1)[0][0]


def _shape(match: re.Match[str]) -> str:
    return "9" if match[0][0].isdigit() else "a"


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _unique(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names, a later one of the same name with its number behind it, and what to say of those."""
    seen: dict[str, int] = {}
    unique, notes = [], []
    for place, name in enumerate(names, start=1):
        if name in seen and name:
            notes.append(
                f"columns {seen[name]} and {place} are both called {name!r}: that name means the first one, "
                f"and {name}.{place} the other"
            )
            name = f"{name}.{place}"
        seen.setdefault(name, place)
        unique.append(name or str(place))
    return unique, notes
