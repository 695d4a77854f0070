"""Histories with a column for each item, or for each thing that may have come of an impression."""

import re
from collections import Counter
from collections.abc import Mapping, Set

from deploy.dataset.guess.columns import Guess, is_always, is_flag, outcome_columns, scalar_columns
from deploy.dataset.guess.names import FIELDS, outcome_called, plain
from deploy.dataset.guess.profile import Profile
from deploy.dataset.values.numbers import number_of, says_nothing

__all__ = ["flags", "matrix"]

_SHAPE = re.compile(r"[^\W\d_]+|\d+")
_MOST = 0.9
_HALF = 0.5
_MANY_COLUMNS = 6
_FEW_LEVELS = 25
_HIGHEST_LEVEL = 100.0


def matrix(profile: Profile, declared: Mapping[str, str], items: Set[str]) -> Guess | None:
    """A row for each user and a column for each item, with ratings in the cells; or the other way round."""
    if len(profile.names) < _MANY_COLUMNS or "item_id" in declared or "event" in declared:
        return None
    key = declared.get("user_id") or profile.names[0]
    others = [name for name in profile.names if name != key]
    counted = [profile.columns[name] for name in others]
    levels = Counter(value for column in counted for value in (column.counts if column.distinct <= _FEW_LEVELS else ["no"]))
    numbers = [number_of(level) for level in levels if not says_nothing(level)]
    if not numbers or len(numbers) > _FEW_LEVELS or any(one is None or not 0 <= one <= _HIGHEST_LEVEL for one in numbers):
        return None
    known = sum(name in items for name in others) >= _HALF * len(others)
    shapes = Counter(_SHAPE.sub(lambda match: "9" if match[0].isdigit() else "a", name) for name in others)
    shape, count = shapes.most_common(1)[0]
    alike = count >= _MOST * len(others) and "9" in shape
    named = plain(key) in FIELDS["user_id"] and any(profile.share(name) < 1.0 for name in others)
    if not (known or alike or named):
        return None
    if any(outcome_called(name) for name in others) or profile.columns[key].distinct < profile.rows - profile.bad:
        return None
    keys = profile.columns[key].counts
    catalogued = not known and bool(items) and sum(value in items for value in keys) >= _HALF * profile.rows
    of_items = catalogued or plain(key) in FIELDS["item_id"]
    ones = {one for one in numbers if one} == {1.0}
    return Guess(
        form="matrix", columns={"item_id" if of_items else "user_id": key}, event="click" if ones else "rate", matrix=True
    )


def flags(profile: Profile, declared: Mapping[str, str], items: Set[str]) -> Guess | None:
    """A row for each item that was shown, with a column for each thing that may have come of it."""
    columns = scalar_columns(profile, declared, items)
    if columns.get("event") and "event" in declared:
        return None
    outcomes, amounts = outcome_columns(profile, columns, values_only=False)
    flagged = [kind for kind, column in outcomes.items() if is_flag(profile, column)]
    if all(is_always(profile, outcomes[kind]) for kind in flagged):
        return None
    columns = {name: column for name, column in columns.items() if column not in outcomes.values() or name in declared}
    if columns.get("event") and "event" not in declared:
        columns.pop("event")
    columns.pop("value", None)
    always = [kind for kind in flagged if kind == "click" and is_always(profile, outcomes[kind]) and len(flagged) > 1]
    for kind in always:  # what is true of every row says that it was shown
        outcomes.pop(kind)
    return Guess(form="flags", columns=columns, outcomes=outcomes, amounts=amounts)
