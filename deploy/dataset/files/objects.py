"""JSON as batches: an object a line, an array, or objects that follow each other; one that is broken costs itself alone."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from deploy.dataset.files.batch import BadRow, HistoryFileError, RowBatch, place_of

__all__ = ["decoded", "looks_like_objects", "objects"]

_ROWS = 10_000
_DEPTH = 3
_MESSAGES = ("impression", "click", "read", "purchase", "action", "upsert", "delete")
"""Objects of messages, which are taken as they are."""
_SPACE = re.compile(r"[\s,]*")
_NEXT = re.compile(r"\n\s*,?\s*(?=\{)|\}\s*,?\s*(?=\{)")
_NOT_A_NUMBER = re.compile(rb"\b(?:NaN|Infinity)\b")
_NO_OBJECT = "no JSON object"


def looks_like_objects(head: bytes) -> bool:
    """Whether a text begins as JSON does."""
    return head.lstrip()[:1] in (b"{", b"[")


def decoded(text: bytes) -> Any:
    """The value of a JSON text; NaN and Infinity, which Python writes though JSON has none, are null.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        if _NOT_A_NUMBER.search(text):
            return json.loads(text, parse_constant=lambda _: None)
        raise ValueError(str(error)) from error


def objects(lines: Iterable[bytes], *, part: str = "") -> Iterator[RowBatch]:
    """Rows of a JSON text.

    Args:
        lines: of UTF-8, all of them.
        part: name of the file, where a table is kept in several.

    Raises:
        HistoryFileError: it is a single value that holds no list of objects.
    """
    stream = iter(lines)
    before = list(_until_text(stream))
    first = before[-1] if before else b""
    if first.lstrip().startswith(b"{") and _is_object(first):
        second = list(islice((line for line in stream if line.strip()), 1))
        if second or _rows_within(decoded(first)) is None:
            yield from _lines([*before, *second], stream, part)
            return
        stream = iter(())
    yield from _document(b"\n".join([*before, *stream]), part)


def _until_text(stream: Iterator[bytes]) -> Iterator[bytes]:
    for line in stream:
        yield line
        if line.strip():
            return


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(decoded(line), dict)
    except ValueError:
        return False


def _lines(before: Sequence[bytes], stream: Iterator[bytes], part: str) -> Iterator[RowBatch]:
    def numbered() -> Iterator[tuple[int, bytes]]:
        yield from enumerate(before, start=1)
        yield from enumerate(stream, start=len(before) + 1)

    found = ((number, line) for number, line in numbered() if line.strip())
    while taken := list(islice(found, _ROWS)):
        rows: list[dict[str, Any]] = []
        numbers: list[int] = []
        bad: list[BadRow] = []
        for number, line in taken:
            try:
                row = decoded(line)
                if not isinstance(row, dict):
                    raise ValueError(f"it is {type(row).__name__}")
            except ValueError as error:
                bad.append(_bad(part, number, f"{error}; {line[:80].decode(errors='replace')}"))
                continue
            rows.append(row)
            numbers.append(number)
        yield _batch(rows, numbers, bad, part)


def _document(text: bytes, part: str) -> Iterator[RowBatch]:
    """Rows of a text that is one array, an object that holds one, or several objects over several lines each."""
    bad: list[BadRow] = []
    try:
        value = decoded(text)
        rows = value if isinstance(value, list) else _rows_within(value)
        if rows is None:
            rows = [value] if isinstance(value, dict) else []
    except ValueError:
        rows, bad = _salvaged(text.decode(errors="replace"), part)
    if not rows and not bad:
        raise HistoryFileError(
            f"{part or 'the file'}: is JSON without a list of objects; give an object a line, or one array of objects"
        )
    wrong = {at for at, row in enumerate(rows) if not isinstance(row, dict)}
    bad += [_bad(part, at + 1, f"it is {type(rows[at]).__name__}") for at in sorted(wrong)]
    good = [(at + 1, row) for at, row in enumerate(rows) if at not in wrong]
    for begin in range(0, max(len(good), 1), _ROWS):
        some = good[begin : begin + _ROWS]
        yield _batch([row for _, row in some], [number for number, _ in some], bad if begin == 0 else (), part)


def _rows_within(value: Any) -> list[Any] | None:
    """The only list of objects in an object, such as {"data": [...]}."""
    lists = (
        [one for one in value.values() if isinstance(one, list) and one and isinstance(one[0], dict)]
        if isinstance(value, dict)
        else []
    )
    scalars = sum(not isinstance(one, (list, dict)) for one in value.values()) if isinstance(value, dict) else 0
    return lists[0] if len(lists) == 1 and scalars < len(lists[0]) else None


def _salvaged(text: str, part: str) -> tuple[list[Any], list[BadRow]]:
    """Objects of a broken document: after one that cannot be read, reading goes on where the next begins."""
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    at = _space(text, 0)
    if text.startswith("[", at):
        at += 1
    rows: list[Any] = []
    bad: list[BadRow] = []
    while (at := _space(text, at)) < len(text) and text[at] != "]":
        try:
            value, at = decoder.raw_decode(text, at)
            rows.append(value)
        except json.JSONDecodeError as error:
            line = text.count("\n", 0, at) + 1
            bad.append(_bad(part, len(rows) + len(bad) + 1, f"line {line}: {error.msg}; {text[at : at + 80]}"))
            following = _NEXT.search(text, at + 1)
            at = following.end() if following else len(text)
    return rows, bad


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _bad(part: str, number: int, detail: str) -> BadRow:
    return BadRow(place=place_of(part, number), kind=_NO_OBJECT, detail=f"{_NO_OBJECT} ({detail})")


def _batch(rows: Sequence[dict[str, Any]], numbers: Sequence[int], bad: Sequence[BadRow], part: str) -> RowBatch:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [_cell(row.get(name)) for row in rows] for name in names}
    if not any(isinstance(cell, dict) for name in _MESSAGES for cell in columns.get(name, ())):
        columns |= _inner(columns)
    return RowBatch(part=part, numbers=numbers, columns=columns, bad=bad)


def _inner(columns: Mapping[str, Sequence[Any]], depth: int = 0) -> dict[str, list[Any]]:
    """Columns of what objects in cells hold, such as `user.id`."""
    found: dict[str, list[Any]] = {}
    for name, cells in columns.items():
        names = dict.fromkeys(inner for cell in cells if isinstance(cell, dict) for inner in cell)
        for inner in names:
            found[f"{name}.{inner}"] = [_cell(cell.get(inner)) if isinstance(cell, dict) else None for cell in cells]
    return found | _inner(found, depth + 1) if found and depth < _DEPTH else found


def _cell(value: Any) -> Any:
    return None if value == "" else value
