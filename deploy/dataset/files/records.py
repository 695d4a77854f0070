"""Records of a delimited text: which lines belong together, and which line is broken.

A quote that nobody closes would swallow every line up to the next one. A record is therefore closed on its own line, or on one of
the next, and what it spans must not itself look like rows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Splitter", "TextRecord"]

_MOST_LINES = 500
_MOST_BYTES = 1 << 20
_ROWS = 0.8
_ESCAPED = re.compile(rb'\\"')
OPEN_QUOTE = "a quote is not closed"


@dataclass(frozen=True, slots=True)
class TextRecord:
    """The text of one row, and the line on which it begins; `problem` says why it is none."""

    line: int
    text: bytes
    problem: str = ""


class Splitter:
    """Cuts lines into records of a dialect.

    >>> lines = [b'1,"two', b'lines"', b'3,"lone', b"4,x", b"5,y"]
    >>> [(record.line, record.problem) for record in Splitter(",", width=2).records(lines)]
    [(1, ''), (3, 'a quote is not closed'), (4, ''), (5, '')]
    """

    def __init__(self, separator: str, *, width: int, quoted: bool = True, escaped: bool = False) -> None:
        """Args: `width` is the number of columns; `quoted` whether quotes hide separators; `escaped` whether \\" is a quote."""
        self.quoted, self.escaped = quoted, escaped
        self._width = width
        self._separator = separator.encode()
        self.sign = self._separator if len(separator) == 1 else b"\x1f"
        """What stands between fields of the records that come out: one byte, for readers that know no longer ones."""
        sign = re.escape(self.sign)
        field = rb'(?:"(?:[^"]|"")*"[^"%b]*|[^"%b][^%b]*|)' % (sign, sign, sign)
        self._whole = re.compile(rb"%b(?:%b%b)*" % (field, sign, field))
        self._field = re.compile(field)

    def records(self, lines: Sequence[bytes], *, first: int = 1, complete: bool = True) -> Iterator[TextRecord]:
        """The records of lines, of which the first has that number; blank lines are passed over.

        Args:
            complete: whether these are all lines; else a record that is still open at their end is not given.
        """
        at = 0
        while at < len(lines):
            text = self.plain(lines[at])
            if not text.strip():
                at += 1
            elif not self.quoted or b'"' not in text or self._whole.fullmatch(text):
                yield TextRecord(first + at, text)
                at += 1
            else:
                joined, used = self._joined(lines, at)
                if joined is None and used == len(lines) - at and not complete:
                    return
                yield TextRecord(first + at, text if joined is None else joined, "" if joined else OPEN_QUOTE)
                at += used if joined is not None else 1

    def plain(self, line: bytes) -> bytes:
        """A line with one byte between fields, and without a quote that is escaped by a backslash."""
        if len(self._separator) > 1:
            line = line.replace(self._separator, self.sign)
        return _ESCAPED.sub(b'""', line) if self.escaped else line

    def fields(self, record: bytes) -> list[str]:
        """The cells of a record."""
        if not self.quoted or b'"' not in record:
            return record.decode(errors="replace").split(self.sign.decode())
        found: list[str] = []
        at = 0
        while at <= len(record):
            match = self._field.match(record, at)
            cell = match.group() if match else record[at:]
            found.append(_unquoted(cell).decode(errors="replace"))
            at += len(cell) + 1
        return found

    def width_of(self, record: bytes) -> int:
        """Number of cells of a record."""
        if not self.quoted or b'"' not in record:
            return record.count(self.sign) + 1
        return len(self.fields(record))

    def _joined(self, lines: Sequence[bytes], at: int) -> tuple[bytes | None, int]:
        """The record that begins on a line and ends on a later one, and how many lines were looked at; None if it is none."""
        text = self.plain(lines[at])
        alike = [self._like_a_row(text)]
        for used, line in enumerate(lines[at + 1 : at + _MOST_LINES], start=2):
            line = self.plain(line)
            text += b"\n" + line
            alike.append(self._like_a_row(line))
            if len(text) > _MOST_BYTES:
                return None, 0
            if b'"' in line and self._whole.fullmatch(text):
                whole = self.width_of(text) == self._width and not _rows(alike)
                return (text if whole else None), (used if whole else 0)
        return None, min(_MOST_LINES, len(lines) - at)

    def _like_a_row(self, line: bytes) -> bool:
        return line.count(self.sign) + 1 == self._width


def _rows(alike: Sequence[bool]) -> bool:
    """Whether lines between two quotes are rows, and the quotes unpaired, by which of them have as many fields as a row."""
    within = alike[1:-1]
    return sum(within) >= _ROWS * len(within) if len(within) > 1 else all(alike)


def _unquoted(cell: bytes) -> bytes:
    if not cell.startswith(b'"'):
        return cell
    end = cell.rfind(b'"')
    return cell[1:end].replace(b'""', b'"') + cell[end + 1 :]
