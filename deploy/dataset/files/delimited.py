"""Delimited text, such as CSV, as batches of columns of text."""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from deploy.dataset.files.batch import BadRow, RowBatch, place_of
from deploy.dataset.files.dialect import Dialect
from deploy.dataset.files.records import TextRecord

__all__ = ["delimited"]

_LINES = 20_000
SURPLUS = "more fields than the header names"
_NO_TEXT = "bytes that are not in the file's encoding"
_NULS = "NUL bytes"
_HOW = {
    SURPLUS: "; is a separator not in quotes?",
    _NO_TEXT: "; save the file as UTF-8, or name its encoding",
    _NULS: ": what was being written when a machine stopped",
}


def delimited(lines: Iterable[bytes], dialect: Dialect, *, part: str = "") -> Iterator[RowBatch]:
    """Rows of a text; one that is broken costs itself alone.

    Args:
        lines: of UTF-8, all of them.
        part: name of the file, where a table is kept in several.
    """
    splitter = dialect.splitter()
    stream = iter(lines)
    for _ in islice(stream, dialect.skipped):
        pass
    first, number = dialect.skipped + 1, 0
    rest: list[bytes] = []
    while True:
        taken = list(islice(stream, _LINES))
        held = rest + taken
        records = list(splitter.records(held, first=first, complete=not taken))
        if records or held:
            yield _batch(records, dialect, part, number)
        number += len(records)
        if not taken:
            return
        done = _done(records, held, first)
        rest, first = held[done:], first + done


def _done(records: Sequence[TextRecord], held: Sequence[bytes], first: int) -> int:
    """How many of the lines are in the records: those of an open record at the end are not."""
    if not records:
        return 0
    last = records[-1]
    done = last.line - first + 1 + (0 if last.problem else last.text.count(b"\n"))
    while done < len(held) and not held[done].strip():
        done += 1
    return done


def _batch(records: Sequence[TextRecord], dialect: Dialect, part: str, before: int) -> RowBatch:
    good: list[bytes] = []
    numbers: list[int] = []
    lines: list[int] = []
    bad: list[BadRow] = []
    splitter, width = dialect.splitter(), len(dialect.names)
    for number, record in enumerate(records, start=before + 1):
        text, problem = record.text, record.problem
        if not problem and not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError:
                problem = _NO_TEXT
        if not problem and b"\0" in text:
            problem = _NULS
        text = text.replace(b"\r", b" ")  # Arrow takes it for the end of a line
        if not problem:
            fields = splitter.width_of(text)
            while fields > width and text.endswith(splitter.sign):
                text, fields = text[:-1], fields - 1
            if fields > width:
                problem = SURPLUS
            text += splitter.sign * (width - fields)
        if problem:
            shown = record.text.decode(errors="replace")[:120]
            place = place_of(part, number, record.line)
            bad.append(BadRow(place=place, kind=problem, detail=f"{problem}{_HOW.get(problem, '')} ({shown})"))
            continue
        good.append(text)
        numbers.append(number)
        lines.append(record.line)
    columns = _columns(good, dialect) if good else {name: [] for name in dialect.names}
    return RowBatch(part=part, numbers=numbers, lines=lines, columns=columns, bad=bad)


def _columns(records: Sequence[bytes], dialect: Dialect) -> dict[str, list[str | None]]:
    """Cells by column; those that hold nothing are None."""
    # Imported here: a host that sends events has no Arrow.
    import pyarrow as pa
    from pyarrow import csv

    text = b"\n".join(records) + b"\n"
    names = [str(place) for place in range(len(dialect.names))]
    table = csv.read_csv(
        io.BytesIO(text),
        read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
        parse_options=csv.ParseOptions(
            delimiter=dialect.splitter().sign.decode(),
            quote_char='"' if dialect.quoted else False,
            newlines_in_values=True,
            ignore_empty_lines=False,
        ),
        convert_options=csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=True,
        ),
    )
    if len(table) != len(records):
        raise AssertionError(f"{len(records)} records came out as {len(table)} rows")
    return {name: column.to_pylist() for name, column in zip(dialect.names, table.columns, strict=True)}
