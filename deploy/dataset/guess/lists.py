"""Histories whose rows hold lists: what was shown and what was clicked of it, sequences, lists of items and their times."""

import re
from collections.abc import Mapping, Set

from deploy.dataset.guess.columns import Guess, column_called, outcome_columns, scalar_columns
from deploy.dataset.guess.evidence import usable
from deploy.dataset.guess.list_columns import LABELLED, are_lists_of_times, equally_long, list_columns, overlap, within
from deploy.dataset.guess.names import LIST_FIELDS, guess_fields, outcome_called, plain
from deploy.dataset.guess.profile import Profile

__all__ = ["lists", "parallel"]

_SHOWN = ("inview", "shown", "impression", "candidate", "slate", "expos", "display", "recommended")
_ACTED = ("click", "bought", "purchas", "chosen", "selected", "acted", "consumed")
_SEQUENCES = (
    *("items", "itemids", "itemlist", "itemidlist", "sequence", "itemsequence", "itemseq", "sessionitems", "basket", "products"),
    *("tracks", "songs", "articles", "movies", "videos", "clicks", "views"),
)
_PAST = ("history", "hist", "past", "previous")


def lists(profile: Profile, declared: Mapping[str, str], items: Set[str]) -> Guess | None:
    """A row for each list that was shown, as MIND and EB-NeRD have it, or for each sequence of items, as sessions do."""
    found = {name: cells for name, cells in list_columns(profile, items).items() if not are_lists_of_times(cells)}
    columns = {name: declared[name] for name in LIST_FIELDS if declared.get(name)}
    free = {name: cells for name, cells in found.items() if name not in declared.values()}
    labelled = [name for name, cells in free.items() if all(LABELLED.fullmatch(one) for ids in cells[:50] for one in ids)]
    if "shown" not in columns and labelled:
        columns["shown"] = labelled[0]
    for name in free:
        called = plain(name)
        for wanted, words in (("shown", _SHOWN), ("acted", _ACTED), ("past", _PAST)):
            if any(word in called for word in words) and name not in columns.values() and wanted not in declared:
                columns.setdefault(wanted, name)
                break
    if columns.get("shown") in labelled:
        columns.pop("acted", None)
    rest = [name for name in free if name not in columns.values()]
    if not columns and len(rest) == 2 and (pair := within(found[rest[0]], found[rest[1]])) is not None:
        columns = {"shown": rest[pair], "acted": rest[1 - pair]}
    if not columns.keys() & {"shown", "acted"} and not equally_long(profile, rest):
        named = [name for name in rest if plain(name) in _SEQUENCES]
        scalar = guess_fields(
            profile.names, ("item_id",), declared, usable={"item_id": [n for n in profile.names if n not in found]}
        )
        if "sequence" not in columns and len(named) == 1 and "item_id" not in scalar and "past" not in columns:
            columns["sequence"] = named[0]
        elif "past" in columns and "item_id" not in scalar:
            columns["sequence"] = columns.pop("past")
    if columns.keys() & {"shown", "acted"} and "past" not in columns and "past" not in declared:
        same = [name for name in rest if overlap(found[name], found[columns.get("shown") or columns["acted"]])]
        if len(same) == 1:
            columns["past"] = same[0]
    if not columns.keys() & {"shown", "acted", "sequence"}:
        return None
    listed = set(found) - set(columns.values())
    guess = Guess(form="lists", columns=scalar_columns(profile, {**declared, **columns}, items, without=listed))
    if "sequence" in columns or "acted" in columns or columns.get("shown") in labelled:
        item = guess.columns.pop("item_id", None)
    else:  # the item that was acted on has a column of its own, as in logs of searches
        item = None
    if not profile.header and "user_id" not in guess.columns:
        guess.columns = _without_header(profile, guess.columns)
    if "sequence" not in columns:
        guess.event = "" if guess.columns.get("event") else "click"
        guess.outcomes, guess.amounts = outcome_columns(profile, guess.columns, values_only=True, of_next=item is not None)
        if item is not None and "read" not in guess.outcomes and (read := column_called(profile, "read", guess.columns)):
            guess.also, guess.also_columns = "read", {"item_id": item, "value": read}
    else:
        guess.event = "click"
    guess.columns.pop("value", None)
    return guess


def parallel(profile: Profile, declared: Mapping[str, str], items: Set[str]) -> Guess | None:
    """A row for each user, with lists of items and of their times that are equally long."""
    found = list_columns(profile, items)
    together = equally_long(profile, list(found))
    if not together or set(declared.values()) & set(together):
        return None
    times = [name for name in together if are_lists_of_times(found[name])]
    values = [name for name in together if name not in times and _value_called(name)]
    ids = [name for name in together if name not in times and name not in values and not _have_fractions(found[name])]
    if not times or not ids:
        return None
    columns = {**declared, "item_id": ids[0], "occurred_at": times[0]}
    read = next((name for name in values if _value_called(name) == "read"), None)
    if read is not None:
        columns["value"] = read
    scalar = guess_fields(profile.names, ("user_id",), columns, usable=usable(profile))
    return Guess(form="parallel lists", columns=scalar, event="read" if read else "click")


def _value_called(name: str) -> str | None:
    """The event whose values a column of lists holds, by its name."""
    return outcome_called(re.sub(r"_?(?:fixed|list|s)$", "", name))


def _have_fractions(cells: list[list[str]]) -> bool:
    return any("." in one for ids in cells for one in ids)


def _without_header(profile: Profile, columns: Mapping[str, str]) -> dict[str, str]:
    """User and list of a file without a header: a column that is different on each row names the list, another the user."""
    free = [name for name in profile.names if name not in columns.values() and profile.share(name) == 1.0]
    keys = [name for name in free if profile.columns[name].distinct == profile.rows - profile.bad]
    users = [name for name in free if name not in keys]
    found = {**columns, **({"user_id": users[0]} if users else {})}
    return {**found, **({"recommendation_id": keys[0]} if keys and "recommendation_id" not in columns else {})}
