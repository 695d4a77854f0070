"""Batches of rows as columns, and the rows of a file that cannot be read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.errors import UserError

__all__ = ["BadRow", "HistoryFileError", "RowBatch", "place_of", "told"]

_LINE = " (line "


class HistoryFileError(UserError, ValueError):
    """A file that cannot be used; the message names the file, the row (from 1, a header not counted) and what to change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """A row that is not in the file's form; `kind` is the same for all rows that fail alike, `detail` speaks of this one."""

    place: str
    kind: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RowBatch:
    """Rows that follow each other in one file; a cell that is empty or absent is None."""

    part: str = ""
    """Name of the file, where a table is kept in several."""
    numbers: Sequence[int]
    """From 1, a header not counted; rows that cannot be read are counted too."""
    lines: Sequence[int] = ()
    """Line of the file on which each row begins; empty where it is the row's number, or where the file has no lines."""
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    bad: Sequence[BadRow] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def place(self, at: int) -> str:
        """Where a row stands, for people: file, row and line."""
        return place_of(self.part, self.numbers[at], self.lines[at] if self.lines else None)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row by column, without its empty cells."""
        names = list(self.columns)
        for cells in zip(*self.columns.values(), strict=True) if names else ():
            yield {name: cell for name, cell in zip(names, cells, strict=True) if cell is not None}


def exploded(batch: "RowBatch") -> "RowBatch":
    """A row for each object of a list, where one column holds lists of objects, such as the events of a session."""
    listed = [name for name, cells in batch.columns.items() if _holds_objects(cells)]
    if len(listed) != 1:
        return batch
    column = listed[0]
    places = [(at, one) for at, cell in enumerate(batch.columns[column]) for one in cell or () if isinstance(one, dict)]
    kept = {name: cells for name, cells in batch.columns.items() if name != column}
    columns: dict[str, list[Any]] = {name: [cells[at] for at, _ in places] for name, cells in kept.items()}
    for name in dict.fromkeys(inner for _, one in places for inner in one):
        columns[f"{column}.{name}" if name in kept else name] = [one.get(name) for _, one in places]
    numbers, lines = ([values[at] for at, _ in places] if values else () for values in (batch.numbers, batch.lines))
    return replace(batch, numbers=numbers, lines=lines, columns=columns)


def _holds_objects(cells: Sequence[Any]) -> bool:
    told = [cell for cell in cells if cell]
    return bool(told) and all(isinstance(cell, list) and isinstance(cell[0], dict) for cell in told)


def place_of(part: str, number: int, line: int | None = None) -> str:
    """Where a row stands, for people.

    >>> place_of("part-1.csv", 4, 5), place_of("", 4)
    ('part-1.csv, row 4 (line 5)', 'row 4')
    """
    shown = f"row {number}" if line is None or line == number else f"row {number}{_LINE}{line})"
    return f"{part}, {shown}" if part else shown


def told(place: str, what: str) -> str:
    """What is wrong at a place, in one line.

    >>> told("row 4 (line 5)", "column 'user_id' is empty")
    "row 4: column 'user_id' is empty (line 5)"
    """
    row, sign, line = place.partition(_LINE)
    return f"{row}: {what}{sign}{line}"
