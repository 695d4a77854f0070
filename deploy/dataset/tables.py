"""Owns the rows of a file, whatever its format: Parquet, delimited text and JSON lines, gzipped or not."""

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from runtime.errors import UserError

__all__ = ["SURPLUS", "HistoryFileError", "read_rows"]

SURPLUS = "\0surplus"
"""The key under which a row has the fields that the header does not name; such a row is shifted somewhere, and no use."""

_DELIMITERS = ",\t;|"
_CHANGED = {
    ".json": "an array becomes lines by: jq -c '.[]' FILE.json > FILE.jsonl",
    ".xlsx": "save the sheet as CSV, in UTF-8",
    ".xls": "save the sheet as CSV, in UTF-8",
}
"""How a common file of another kind becomes one that is read."""
_MAX_FIELD = 1 << 24  # bodies of articles exceed the csv module's own 128 KiB


class HistoryFileError(UserError, ValueError):
    """A file that cannot be used; the message names the file, the row (from 1, a header not counted) and what to change."""


def read_rows(path: Path, *, header: bool = True) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with their numbers, from 1; empty cells of a text table are left out.

    Args:
        path: ends in .parquet, .csv, .tsv, .txt, .dat, .jsonl or .ndjson; the text formats may end in .gz after that.
        header: whether the first line of a text table names its columns; else they are called 1, 2, 3, ...

    Raises:
        HistoryFileError: the file cannot be read, or is not of that format.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = (suffixes[-2:-1] or [""])[0] if suffixes[-1:] == [".gz"] else (suffixes or [""])[-1]
    texts = (".csv", ".tsv", ".txt", ".dat")
    lines = (".jsonl", ".ndjson")
    try:
        if suffix == ".parquet" and suffixes[-1] != ".gz":
            yield from _parquet(path)
        elif suffix in texts:
            yield from _table(path, header)
        elif suffix in lines:
            yield from _json_lines(path)
        else:
            known = ", ".join((".parquet", *texts, *lines))
            how = f"; {_CHANGED[suffix]}" if suffix in _CHANGED else ""
            raise HistoryFileError(
                f"{path}: ends in {suffix or 'no suffix'}; give a file that ends in {known} (text also in .gz){how}"
            )
    except (OSError, EOFError, UnicodeDecodeError) as error:
        if isinstance(error, UnicodeDecodeError):
            how = f"such as by: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8.csv"
            raise HistoryFileError(f"{path}: cannot be read ({error}); save it as UTF-8, {how}") from error
        raise HistoryFileError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    # Imported here: a host that replays text does not need it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches()
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
    except pa.ArrowInvalid as error:
        raise HistoryFileError(f"{path}: is no Parquet file ({error})") from error


@contextmanager
def _text(path: Path) -> Iterator[IO[str]]:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, mode="rt", encoding="utf-8-sig", newline="") as lines:
        yield lines


def _table(path: Path, header: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_MAX_FIELD)
    with _text(path) as lines:
        first = lines.readline()
        # Spreadsheets of half the world write semicolons into .csv, and a .dat may hold anything.
        separator = max(_DELIMITERS, key=first.count)
        lines.seek(0)
        names = None if header else [str(number) for number in range(1, first.count(separator) + 2)]
        rows = csv.DictReader(lines, fieldnames=names, delimiter=separator, restkey=SURPLUS)
        try:
            for number, row in enumerate(rows, start=1):
                yield number, {name: value for name, value in row.items() if value not in (None, "")}
        except csv.Error as error:
            raise HistoryFileError(f"{path}, line {rows.line_num}: {error}") from error


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with _text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield number, msgspec.json.decode(line, type=dict[str, Any])
                except msgspec.MsgspecError as error:
                    raise HistoryFileError(f"{path}, row {number}: no JSON object ({error})") from error
