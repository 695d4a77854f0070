"""Columns that hold one value each, and those that say what came of an impression."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from deploy.dataset.guess.evidence import are_numbers, history_evidence, usable
from deploy.dataset.guess.list_columns import looks_like_lists
from deploy.dataset.guess.names import (
    HISTORY_FIELDS,
    LIST_FIELDS,
    event_of_value,
    guess_fields,
    outcome_called,
    plain,
    value_word,
)
from deploy.dataset.guess.profile import Profile

__all__ = ["Guess", "by_place", "column_called", "is_always", "is_flag", "outcome_columns", "scalar_columns"]

_FLAGS = frozenset(("0", "1", "0.0", "1.0", "true", "false", "yes", "no", "y", "n", "t", "f"))


@dataclass(kw_only=True, slots=True)
class Guess:
    """What a file seems to hold; `columns` by field, those alone that it has."""

    form: str
    columns: dict[str, str] = field(default_factory=dict)
    event: str = ""
    also: str = ""
    """What those rows are beside that, in which the value is not empty: many a row of a loan has no stars."""
    also_columns: dict[str, str] = field(default_factory=dict)
    """Columns of that, where they differ."""
    outcomes: dict[str, str] = field(default_factory=dict)
    amounts: dict[str, str] = field(default_factory=dict)
    matrix: bool = False
    notes: list[str] = field(default_factory=list)


def scalar_columns(
    profile: Profile, declared: Mapping[str, str], items: Set[str], *, without: Set[str] = frozenset()
) -> dict[str, str]:
    """Columns that hold one value each."""
    wanted = [name for name in HISTORY_FIELDS if name not in LIST_FIELDS and name != "clock"]
    can = usable(profile)
    can = {name: [one for one in names if one not in without] for name, names in can.items()}
    listed = {name for name in profile.names if name not in without and looks_like_lists(profile.cells(name), items)}
    can["item_id"] = [name for name in profile.names if name not in without and name not in listed] or profile.names
    columns = guess_fields(profile.names, wanted, declared, usable=can)
    if "value" not in columns:
        free = (name for name in profile.names if _is_value(profile, name) and name not in columns.values())
        columns |= _first("value", free)
    columns = history_evidence(profile, columns, items=items)
    day = columns.get("occurred_at")
    if "clock" not in columns and day and not any(":" in str(cell) for cell in profile.cells(day)[:20]):
        columns |= _first("clock", (name for name in can["clock"] if name not in columns.values()))
    return columns


def _is_value(profile: Profile, name: str) -> bool:
    return bool(value_word(name)) and are_numbers(profile.cells(name))


def outcome_columns(
    profile: Profile, columns: Mapping[str, str], *, values_only: bool, of_next: bool = False
) -> tuple[dict[str, str], dict[str, str]]:
    """By event, the column that says whether it came about, and the column of its value where that is another."""
    kept = {columns.get(name) for name in columns if name != "value"}
    free = [name for name in profile.names if name not in kept]
    outcomes: dict[str, str] = {}
    for name in sorted(free, key=lambda one: not plain(one).startswith("next")):
        kind = outcome_called(name)
        if kind is None or kind in outcomes or not (profile.columns[name].cells and _tells(profile, name)):
            continue
        if of_next and kind in ("read", "scroll") and not plain(name).startswith("next"):
            continue
        if values_only and kind not in ("read", "scroll"):
            continue
        outcomes[kind] = name
    amounts: dict[str, str] = {}
    if "purchase" in outcomes and is_flag(profile, outcomes["purchase"]):
        priced = (name for name in free if event_of_value(name) == "purchase" and name not in outcomes.values())
        amounts = _first("purchase", (name for name in priced if are_numbers(profile.cells(name))))
    return outcomes, amounts


def _first(name: str, columns: Iterable[str]) -> dict[str, str]:
    """The first of the columns under a name; nothing where there is none."""
    found = next(iter(columns), None)
    return {} if found is None else {name: found}


def _tells(profile: Profile, name: str) -> bool:
    cells = profile.cells(name)
    return is_flag(profile, name) or are_numbers(cells)


def is_flag(profile: Profile, name: str) -> bool:
    return {value.lower() for value in profile.columns[name].counts} <= _FLAGS and profile.columns[name].distinct > 0


def is_always(profile: Profile, name: str) -> bool:
    return profile.columns[name].distinct == 1 and profile.share(name) == 1.0


def column_called(profile: Profile, kind: str, columns: Mapping[str, str]) -> str | None:
    return next((name for name in profile.names if outcome_called(name) == kind and name not in columns.values()), None)


def by_place(profile: Profile, columns: Mapping[str, str], rest: Sequence[str], items: Set[str]) -> dict[str, str]:
    """User and item of a file without a header: the item is where known ids are, else the user comes first."""
    found = {**columns}
    listed = [name for name in rest if name not in found.values()]
    if "item_id" not in found:
        known = [name for name in listed if sum(value in items for value in profile.columns[name].counts) > 0]
        if len(known) == 1:
            found["item_id"] = known[0]
    keys = [name for name in listed if profile.columns[name].distinct == profile.columns[name].cells > 1]
    for name in ("user_id", "item_id"):
        if name not in found:
            free = [one for one in listed if one not in found.values()]
            found |= _first(name, [one for one in free if one not in keys] or free)
    return found
