"""A table looked through as a whole: how full its columns are, which values they hold, and a sample of its rows."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.dataset.files import Form, HistoryFileError, RowBatch, Source
from deploy.dataset.values.ids import is_missing

__all__ = ["ColumnProfile", "Profile", "profile"]

_SAMPLE = 4_000
_FEW = 50
_OF_EACH = 20
_COUNTED = 100_000


@dataclass(kw_only=True, slots=True)
class ColumnProfile:
    """One column."""

    cells: int = 0
    """That hold something."""
    counts: Counter[str] = field(default_factory=Counter)
    """How often each value occurs, as text; once `counts_all` is False, of the values that came first."""
    counts_all: bool = True

    def add(self, cells: Sequence[Any]) -> None:
        texts = [str(cell).strip() for cell in cells if not is_missing(cell)]
        self.cells += len(texts)
        if len(self.counts) > _COUNTED:
            self.counts_all = False
            texts = [text for text in texts if text in self.counts]
        self.counts.update(texts)

    @property
    def distinct(self) -> int:
        """Number of different values, as far as they were counted."""
        return len(self.counts)


@dataclass(kw_only=True, slots=True)
class Profile:
    """What a table holds; `sample` has rows from all of it, and some for each value of columns that have few."""

    location: str
    rows: int = 0
    bad: int = 0
    columns: dict[str, ColumnProfile] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    header: bool = True
    form: Form = field(default_factory=Form)

    @property
    def names(self) -> list[str]:
        """Columns, in their order."""
        return list(self.columns)

    def cells(self, column: str) -> list[Any]:
        """What a column holds in the sample, empty cells left out."""
        return [row[column] for row in self.sample if not is_missing(row.get(column))]

    def share(self, column: str) -> float:
        """Of all rows, those in which a column holds something."""
        return self.columns[column].cells / self.rows if self.rows and column in self.columns else 0.0


class _Sampler:
    """Every n-th row, n doubling whenever there are too many, and the first rows of each value of columns that have few."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, dict[str, Any]]] = []
        self.rare: dict[int, dict[str, Any]] = {}
        self._seen: dict[str, Counter[str]] = {}
        self._step, self._at = 1, 0

    def add(self, batch: RowBatch) -> None:
        rare = self._rare(batch)
        for place, row in enumerate(batch.rows()):
            if self._at % self._step == 0:
                self.kept.append((self._at, row))
                if len(self.kept) > 2 * _SAMPLE:
                    self._step *= 2
                    self.kept = [(at, one) for at, one in self.kept if at % self._step == 0]
            elif place in rare:
                self.rare[self._at] = row
            self._at += 1

    def _rare(self, batch: RowBatch) -> set[int]:
        found: set[int] = set()
        for name, cells in batch.columns.items():
            seen = self._seen.setdefault(name, Counter())
            if len(seen) > _FEW:
                continue
            values = {cell for cell in cells if isinstance(cell, (str, int))}
            if len(values) > _FEW:
                seen.update(dict.fromkeys(map(str, values), 0))
                continue
            if all(seen[str(value)] >= _OF_EACH for value in values):
                continue
            for place, cell in enumerate(cells):
                if isinstance(cell, (str, int)) and seen[str(cell)] < _OF_EACH:
                    seen[str(cell)] += 1
                    found.add(place)
        return found


def profile(source: Source, progress: Callable[[str, int], None] | None = None) -> Profile:
    """Looks through a table.

    Args:
        progress: is told the location and the rows read so far, every few thousand rows.

    Raises:
        HistoryFileError: it cannot be read, or holds no row.
    """
    found, sampler = Profile(location=source.location, form=source.form), _Sampler()
    for batch in source.batches():
        for name, cells in batch.columns.items():
            found.columns.setdefault(name, ColumnProfile()).add(cells)
        sampler.add(batch)
        found.rows += len(batch) + len(batch.bad)
        found.bad += len(batch.bad)
        if progress is not None:
            progress(source.location, found.rows)
    if found.rows == found.bad:
        what = f"none of its {found.rows:,} rows can be read" if found.rows else "holds no rows"
        raise HistoryFileError(f"{source.location}: {what}")
    found.sample = [row for _, row in sorted([*sampler.kept, *sampler.rare.items()], key=lambda pair: pair[0])]
    found.notes, found.header = source.notes, source.header
    return found
