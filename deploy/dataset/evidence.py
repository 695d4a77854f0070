"""Owns what a column's values tell where its name tells nothing: times, known events, ids of known items, titles, categories."""

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import Any

from deploy.dataset.history_file import number_of
from deploy.dataset.times import formats_of

__all__ = ["cells_of", "columns_of", "history_evidence", "item_evidence", "numbers_of", "shared_ids"]

_FEW_EVENTS = 20
_FEW_CATEGORIES = 50
_SHARED = 0.1
_LONG = 12
_TRUTHS = {"yes", "no", "true", "false", "y", "n", "t", "f"}


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the columns, in the order in which the rows bring them."""
    return list(dict.fromkeys(name for row in rows for name in row))


def cells_of(rows: Sequence[Mapping[str, Any]], column: str) -> list[Any]:
    """What a column holds, empty cells left out."""
    return [row[column] for row in rows if row.get(column) not in (None, "")]


def numbers_of(rows: Sequence[Mapping[str, Any]], column: str) -> list[float]:
    """The numbers that a column holds, empty cells left out; none where it holds anything else."""
    numbers = [number_of(cell) for cell in cells_of(rows, column)]
    return [number for number in numbers if number is not None] if None not in numbers else []


def history_evidence(
    rows: Sequence[dict[str, Any]], found: Mapping[str, str], *, events: Callable[[str], bool], items: Set[str]
) -> dict[str, str]:
    """`found`, and the columns that hold times, events and items of a history where that does not name them.

    Args:
        found: column by field; an empty name says that there is none.
        events: whether a cell is the name of an event, such as view or buy.
        items: ids of items in the catalogue, or some of them.

    >>> rows = [{"wer": "ann", "was": "view", "wann": "31.12.2024"}, {"wer": "bo", "was": "buy", "wann": "1.1.2025"}]
    >>> history_evidence(rows, {"user_id": "wer"}, events={"view", "buy"}.__contains__, items=set())
    {'user_id': 'wer', 'occurred_at': 'wann', 'event': 'was'}
    """

    def names_events(cells: Sequence[Any]) -> bool:
        kinds = {str(cell) for cell in cells}
        return len(kinds) <= _FEW_EVENTS and any(map(events, kinds))

    columns = _columns(rows, found, {"occurred_at": _dates, "event": names_events})
    free = [name for name in columns_of(rows) if name not in columns.values()]
    sharing = [name for name in free if _share(cells_of(rows, name), items) >= _SHARED]
    if "item_id" not in columns and len(sharing) == 1:  # with two, a user's number may be an item's as well
        columns["item_id"] = sharing[0]
    return columns


def item_evidence(rows: Sequence[dict[str, Any]], found: Mapping[str, str]) -> dict[str, str]:
    """`found`, and the columns that hold ids, titles, text, categories and times of a catalogue where that does not name them.

    >>> item_evidence([{"No.": "a1", "Was": "Rye bread"}, {"No.": "a2", "Was": "White bread"}], {})
    {'item_id': 'No.', 'title': 'Was'}
    """
    fits = {"item_id": _ids, "title": _titles, "text": _texts, "categories": _categories, "published_at": _dates}
    return _columns(rows, found, fits)


def shared_ids(rows: Sequence[dict[str, Any]], histories: Sequence[Sequence[dict[str, Any]]]) -> str | None:
    """The column of a catalogue, each value once, of which some column of a history holds most; None where none does.

    >>> shared_ids([{"Jahr": "1990", "Signatur": "Kri 1"}, {"Jahr": "1991", "Signatur": "Kri 2"}], [[{"Medium": "Kri 2"}]])
    'Signatur'
    """
    shares = {}
    for name in columns_of(rows):
        cells = cells_of(rows, name)
        if len(ids := set(map(str, cells))) == len(cells):
            shares[name] = max(_share(cells_of(one, column), ids) for one in histories for column in columns_of(one))
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] >= _SHARED else None


def _columns(
    rows: Sequence[dict[str, Any]], found: Mapping[str, str], fits: Mapping[str, Callable[[Sequence[Any]], bool]]
) -> dict[str, str]:
    """Gives each field that is not found yet the first free column that fits."""
    columns = dict(found)
    for field, test in fits.items():
        free = [name for name in columns_of(rows) if name not in columns.values()]
        if field not in columns and (column := next((name for name in free if test(cells_of(rows, name))), None)):
            columns[field] = column
    return columns


def _dates(cells: Sequence[Any]) -> bool:
    return formats_of(cells) is not None or _milliseconds(cells)


def _milliseconds(cells: Sequence[Any]) -> bool:
    """Whether these are Unix times in milliseconds of 2001 to 2039; seconds may as well be numbers of things."""
    return bool(cells) and all(1e12 <= (number_of(cell) or 0.0) < 2.2e12 for cell in cells)


def _ids(cells: Sequence[Any]) -> bool:
    return len(set(map(str, cells))) == len(cells) and not any(" " in str(cell) for cell in cells)


def _titles(cells: Sequence[Any]) -> bool:
    return _words(cells) and len(set(cells)) >= len(cells) / 2


def _texts(cells: Sequence[Any]) -> bool:
    return _words(cells) and sum(map(len, cells)) >= _LONG * len(cells)


def _categories(cells: Sequence[Any]) -> bool:
    kinds = set(cells) if _words(cells) else set()
    return 2 <= len(kinds) <= min(_FEW_CATEGORIES, len(cells) / 4) and not {kind.lower() for kind in kinds} <= _TRUTHS


def _words(cells: Sequence[Any]) -> bool:
    """Whether these are texts for people: no numbers, dates, amounts or addresses."""
    texts = [cell for cell in cells if isinstance(cell, str) and not cell[:1].isdigit() and "://" not in cell]
    return bool(cells) and len(texts) == len(cells)


def _share(cells: Sequence[Any], known: Collection[str]) -> float:
    return sum(str(cell) in known for cell in cells) / len(cells) if cells else 0.0
