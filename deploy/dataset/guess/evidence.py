"""What a column's values tell where its name tells nothing: times, known events, ids of known items, titles, categories."""

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import Any

from deploy.dataset.guess.names import event_called
from deploy.dataset.guess.profile import Profile
from deploy.dataset.values.lists import parted_by
from deploy.dataset.values.numbers import number_of, says_nothing, seconds_of
from deploy.dataset.values.times import formats_of, is_clock, number_forms

__all__ = ["are_numbers", "are_times", "history_evidence", "item_evidence", "shared_ids", "usable"]

_FEW_EVENTS = 20
_MANY_EVENTS = 60
_FEW_CATEGORIES = 50
_SHARED = 0.1
_LONG = 12
_FEW_ROWS = 20
_TRUTHS = {"yes", "no", "true", "false", "y", "n", "t", "f"}
_UNIQUE = 0.98
_SECONDS = (1e8, 2.2e9)  # 1973 to 2039


def usable(profile: Profile) -> dict[str, list[str]]:
    """By field, the columns whose values it can take, whatever they are called."""
    names = profile.names
    plain = [name for name in names if not any(isinstance(cell, (dict, list)) for cell in profile.cells(name)[:20])]
    clocks = [name for name in plain if is_clock(profile.cells(name))]
    return {
        "user_id": [name for name in plain if profile.columns[name].distinct > 1 or profile.rows < _FEW_ROWS],
        "item_id": names,
        "occurred_at": [name for name in names if name not in clocks],
        "clock": clocks,
        "event": [name for name in plain if profile.columns[name].distinct <= _MANY_EVENTS],
        "event_id": [name for name in plain if _is_key(profile, name)],
        "recommendation_id": plain,
        "position": [name for name in plain if are_numbers(profile.cells(name))],
        "value": plain,
        "title": plain,
        "text": plain,
        "type": plain,
        "language": plain,
    }


def _is_key(profile: Profile, name: str) -> bool:
    """Whether a column's values are different on each row: an id that comes again for another row is no event's."""
    column = profile.columns[name]
    return not column.counts_all or column.distinct >= _UNIQUE * column.cells


def history_evidence(profile: Profile, found: Mapping[str, str], *, items: Set[str]) -> dict[str, str]:
    """`found`, and the columns that hold times, events and items of a history where that does not name them.

    Args:
        found: column by field; an empty name says that there is none.
        items: ids of items in the catalogue, or some of them.
    """

    def names_events(name: str) -> bool:
        kinds = profile.columns[name].counts
        return 0 < len(kinds) <= _FEW_EVENTS and any(event_called(kind) for kind in kinds)

    told = _told(profile, found, {"occurred_at": lambda name: are_times(profile.cells(name)), "event": names_events})
    free = [name for name in profile.names if name not in told.values()]
    sharing = [name for name in free if _share(profile.cells(name), items) >= _SHARED]
    if "item_id" not in told and len(sharing) == 1:  # with two, a user's number may be an item's as well
        told["item_id"] = sharing[0]
    return told


def item_evidence(profile: Profile, found: Mapping[str, str]) -> dict[str, str]:
    """`found`, and the columns that hold ids, titles, text, categories and times of a catalogue where that does not name them."""
    tests: dict[str, Callable[[Sequence[Any]], bool]] = {
        "item_id": _ids,
        "title": _titles,
        "categories": _categories,
        "text": _texts,
        "published_at": are_times,
    }
    fits = {field: (lambda name, test=test: test(profile.cells(name))) for field, test in tests.items()}
    return _told(profile, found, fits)


def shared_ids(catalogue: Profile, histories: Sequence[Profile]) -> str | None:
    """The column of a catalogue, each value once, of which some column of a history holds most; None where none does."""
    shares = {}
    for name in catalogue.names:
        column = catalogue.columns[name]
        if column.cells and column.distinct == column.cells:
            ids = set(column.counts)
            shares[name] = max(_share(one.cells(other), ids) for one in histories for other in one.names)
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] >= _SHARED else None


def are_times(cells: Sequence[Any]) -> bool:
    """Whether cells are times by their look: written dates, digits of dates, or Unix seconds and milliseconds of our days."""
    if formats_of(cells) is not None:
        return True
    forms = number_forms(cells)
    if forms and forms != ("serial",):
        return True
    return bool(cells) and all(1e12 <= (number_of(cell) or 0.0) < 2.2e12 for cell in cells)


def are_unix_seconds(cells: Sequence[Any]) -> bool:
    """Whether cells may be Unix seconds; they may as well be numbers of things."""
    return bool(cells) and all(_SECONDS[0] <= (number_of(cell) or 0.0) < _SECONDS[1] for cell in cells)


def are_numbers(cells: Sequence[Any]) -> bool:
    """Whether cells hold numbers or durations, and nothing else but signs for none."""
    told = [cell for cell in cells if not says_nothing(cell)]
    return bool(told) and all(number_of(cell, ".") is not None or seconds_of(cell) is not None for cell in told)


def _told(profile: Profile, found: Mapping[str, str], fits: Mapping[str, Callable[[str], bool]]) -> dict[str, str]:
    """Gives each field that is not found yet the first free column that fits."""
    told = dict(found)
    for field, test in fits.items():
        free = [name for name in profile.names if name not in told.values()]
        if field not in told and (column := next((name for name in free if test(name)), None)) is not None:
            told[field] = column
    return told


def _ids(cells: Sequence[Any]) -> bool:
    return bool(cells) and len(set(map(str, cells))) == len(cells) and not any(" " in str(cell) for cell in cells)


def _titles(cells: Sequence[Any]) -> bool:
    return _words(cells) and len(set(cells)) >= len(cells) / 2


def _texts(cells: Sequence[Any]) -> bool:
    return _words(cells) and sum(map(len, cells)) >= _LONG * len(cells)


def _categories(cells: Sequence[Any]) -> bool:
    sign = parted_by(cells)
    kinds = {part.strip() for cell in cells for part in (cell.split(sign) if sign else (cell,))} if _words(cells) else set()
    return 2 <= len(kinds) <= min(_FEW_CATEGORIES, len(cells) / 4) and not {kind.lower() for kind in kinds} <= _TRUTHS


def _words(cells: Sequence[Any]) -> bool:
    """Whether these are texts for people: no numbers, dates, amounts or addresses."""
    texts = [cell for cell in cells if isinstance(cell, str) and not cell[:1].isdigit() and "://" not in cell]
    return bool(cells) and len(texts) == len(cells)


def _share(cells: Sequence[Any], known: Collection[str]) -> float:
    return sum(str(cell).strip() in known for cell in cells) / len(cells) if cells and known else 0.0
