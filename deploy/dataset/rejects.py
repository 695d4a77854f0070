"""Rows of a file that cannot be used, or only in part: how many of each kind, and the reasons of the first."""

from collections import Counter
from dataclasses import dataclass, field

from deploy.dataset.files.batch import BadRow, told

__all__ = ["Rejects", "RowError"]

_EXAMPLES = 3


class RowError(ValueError):
    """A row that is no event or item; `kind` is the same for all rows that fail alike, the message speaks of this one."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(kw_only=True, slots=True)
class Rejects:
    """What became of the rows of one file."""

    rows: int = 0
    """All rows that the file holds, those that cannot be read among them."""
    repeats: int = 0
    """Rows without an event id that say what an earlier one said, its time too; they are used, and count again."""
    counts: Counter[str] = field(default_factory=Counter)
    """Of rows that cannot be used, by kind of fault."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    noted: Counter[str] = field(default_factory=Counter)
    """Of rows that are used although something in them cannot be, by kind; `examples` has these too."""
    notes: list[str] = field(default_factory=list)
    """What the reader of the file did that its user should know."""

    def add(self, place: str, error: RowError) -> None:
        """Counts a row that cannot be used."""
        self.counts[error.kind] += 1
        self._example(error.kind, told(place, str(error)))

    def add_bad(self, bad: BadRow) -> None:
        """Counts a row that could not be read."""
        self.rows += 1
        self.counts[bad.kind] += 1
        self._example(bad.kind, told(bad.place, bad.detail))

    def note(self, place: str, error: RowError) -> None:
        """Counts a row that is used in part."""
        self.noted[error.kind] += 1
        self._example(error.kind, told(place, str(error)))

    def _example(self, kind: str, text: str) -> None:
        shown = self.examples.setdefault(kind, [])
        if len(shown) < _EXAMPLES:
            shown.append(text)
