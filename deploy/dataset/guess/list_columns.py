"""Columns that hold lists of ids in one cell, and how two such columns hang together."""

import re
from collections.abc import Sequence, Set

from deploy.dataset.events import ids_in
from deploy.dataset.guess.evidence import are_numbers, are_unix_seconds
from deploy.dataset.guess.profile import Profile
from deploy.dataset.values.lists import list_of
from deploy.dataset.values.numbers import number_of
from deploy.dataset.values.times import formats_of, is_clock, unix_seconds

__all__ = ["LABELLED", "are_lists_of_times", "equally_long", "list_columns", "looks_like_lists", "overlap", "within"]

LABELLED = re.compile(r"(.+)-([01])")
"""An item and whether it was clicked."""

_DIGIT = re.compile(r"\d")
_MOST = 0.9
_HALF = 0.5
_LOOKED_AT = 1_000
_FEW_TIMES = 50


def looks_like_lists(cells: Sequence[object], items: Set[str]) -> bool:
    """Whether most cells hold several ids: lists, or tokens of which each has a digit or is a known item, some of them again.

    >>> looks_like_lists(["N1-1 N2-0", "N2-1 N3-0"], set()), looks_like_lists(["Kri 1.2 Abc", "Kri 2.2 Abc"], set())
    (True, False)
    """
    told = cells[:_LOOKED_AT]
    if not told:
        return False
    if sum(list_of(cell) is not None for cell in told) >= _HALF * len(told):
        return True
    if all(number_of(cell) is not None for cell in told) or formats_of(told[:_FEW_TIMES]) is not None:
        return False
    found = [ids_in(cell) for cell in told if isinstance(cell, str)]
    several = sum(len(ids) > 1 for ids in found)
    tokens = [label[1] if (label := LABELLED.fullmatch(one)) else one for ids in found for one in ids]
    if several < _HALF * len(told) or len(set(tokens)) == len(tokens):
        return False
    return sum(one in items or bool(_DIGIT.search(one)) for one in tokens) >= _MOST * len(tokens) and not is_clock(told)


def list_columns(profile: Profile, items: Set[str]) -> dict[str, list[list[str]]]:
    """Columns that hold lists of ids, with those of the sample."""
    found = {}
    for name in profile.names:
        cells = profile.cells(name)
        if looks_like_lists(cells, items):
            found[name] = [ids_in(cell) for cell in cells[:_LOOKED_AT]]
    return found


def within(one: list[list[str]], other: list[list[str]]) -> int | None:
    """Which of two columns of lists holds the lists of the other; None where none does."""
    pairs = list(zip(one, other, strict=False))
    if all(set(b) <= set(a) for a, b in pairs):
        return 0
    return 1 if all(set(a) <= set(b) for a, b in pairs) else None


def overlap(one: list[list[str]], other: list[list[str]]) -> bool:
    def bare(cells: list[list[str]]) -> set[str]:
        return {label[1] if (label := LABELLED.fullmatch(one)) else one for ids in cells for one in ids}

    return bool(bare(one) & bare(other))


def equally_long(profile: Profile, names: Sequence[str]) -> list[str]:
    """Those of the columns whose lists are equally long on each row, where one of them is of times."""
    cells = [row for row in profile.sample[:_LOOKED_AT] if all(row.get(name) is not None for name in names)]
    if len(names) < 2 or not cells:
        return []
    lengths = {name: [len(ids_in(row[name])) for row in cells] for name in names}
    same = [name for name in names if lengths[name] == lengths[names[0]]]
    return same if len(same) > 1 and any(are_lists_of_times([ids_in(row[name]) for row in cells]) for name in same) else []


def are_lists_of_times(cells: list[list[str]]) -> bool:
    flat = [one for ids in cells[:50] for one in ids]
    if are_unix_seconds(flat):
        return True
    try:
        return bool([unix_seconds(one) for one in flat if not _DIGIT.fullmatch(one)]) and not are_numbers(flat)
    except (TypeError, ValueError):
        return False
