"""Owns the guess of what a file's columns mean, from their names and first rows; the user has the last word."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from training.tables import HistoryFileError, read_rows

__all__ = ["FIELDS", "Guess", "guess_fields", "guess_history", "guess_names", "sample"]

FIELDS: dict[str, tuple[str, ...]] = {
    "user_id": (
        "userid",
        "user",
        "uid",
        "customerid",
        "customer",
        "visitorid",
        "visitor",
        "memberid",
        "sessionid",
        "accountid",
        "who",
    ),
    "item_id": (
        *("itemid", "item", "iid", "productid", "product", "movieid", "videoid", "gameid", "articleid", "newsid", "songid"),
        *("trackid", "adid", "bookid", "postid", "contentid", "asin", "sku", "id"),
    ),
    "occurred_at": ("occurredat", "timestamp", "time", "datetime", "date", "ts", "eventtime", "createdat", "at", "unixtime"),
    "event": ("event", "eventtype", "eventname", "action", "behavior", "behaviour", "activity", "what"),
    "value": (
        *("value", "rating", "stars", "score", "hours", "minutes", "seconds", "duration", "dwell", "dwelltime", "readseconds"),
        *("watchtime", "playtime", "watchseconds", "amount", "price", "revenue", "purchase", "quantity"),
    ),
    "event_id": ("eventid",),
    "recommendation_id": ("recommendationid", "requestid", "impressionid"),
    "title": ("title", "name", "itemname", "productname", "gamename", "headline", "caption", "movietitle"),
    "text": ("text", "description", "desc", "body", "abstract", "content", "summary"),
    "type": ("type", "itemtype", "kind"),
    "categories": (
        "categories",
        "category",
        "genres",
        "genre",
        "topic",
        "topics",
        "tags",
        "section",
        "group",
        "firstlevelcategoryname",
    ),
    "language": ("language", "lang"),
    "published_at": ("publishedat", "published", "releasedate", "publishdate"),
}
"""Names that each field goes by, the likeliest first; lower case, without spaces and signs."""

_EVENTS = {
    "impression": ("impression", "show", "shown", "seen", "exposure", "display", "displayed"),
    "click": ("click", "clicked", "view", "viewed", "pv", "detail", "open", "opened", "visit", "pageview", "itemview"),
    "read": ("read", "watch", "play", "listen", "dwell"),
    "purchase": ("purchase", "purchased", "buy", "bought", "transaction", "order", "ordered", "checkout"),
}
_BY_VALUE = {
    "rate": ("rating", "stars", "score"),
    "read": (
        *("hours", "minutes", "seconds", "duration", "dwell", "dwelltime", "watchtime", "playtime", "readseconds"),
        "watchseconds",
    ),
    "purchase": ("amount", "price", "revenue", "purchase", "quantity"),
}
_SAMPLE = 2000


@dataclass(kw_only=True, slots=True)
class Guess:
    """What a file seems to hold; `columns` by field, those alone that it has."""

    header: bool = True
    columns: dict[str, str] = field(default_factory=dict)
    event: str = ""
    value_unit: str = ""


def sample(path: Path, *, header: bool = True) -> list[dict[str, Any]]:
    """The first rows; raises HistoryFileError for a file that cannot be read or holds none."""
    rows = [row for _, row in islice(read_rows(path, header=header), _SAMPLE)]
    if not rows:
        raise HistoryFileError(f"{path}: holds no rows")
    return rows


def guess_fields(rows: Sequence[dict[str, Any]], wanted: Iterable[str]) -> dict[str, str]:
    """Column of each wanted field that a column's name tells.

    >>> guess_fields([{"User_ID": "1", "Game Name": "Spore"}], ["user_id", "item_id", "title"])
    {'user_id': 'User_ID', 'title': 'Game Name'}
    """
    columns = {_plain(name): name for row in reversed(rows) for name in row}
    found: dict[str, str] = {}
    for name in wanted:
        for alias in FIELDS[name]:
            column = columns.get(alias)
            if column is not None and column not in found.values():
                found[name] = column
                break
    return found


def guess_history(rows: Sequence[dict[str, Any]]) -> Guess:
    """What a file of events holds."""
    wanted = ("user_id", "item_id", "occurred_at", "event", "value", "event_id", "recommendation_id")
    columns = guess_fields(rows, wanted)
    guess = Guess(columns=columns)
    value = _plain(columns.get("value", ""))
    if "event" not in columns:
        guess.event = next((event for event, names in _BY_VALUE.items() if value in names), "click")
    guess.value_unit = next((unit for unit in ("hours", "minutes") if unit in value), "")
    return guess


def guess_names(rows: Sequence[dict[str, Any]], column: str) -> tuple[dict[str, str], Counter[str]]:
    """For an event column: the event that each of its values seems to be, and how often each value occurs in the sample.

    >>> guess_names([{"e": "view"}, {"e": "Add to cart"}], "e")[0]
    {'view': 'click', 'Add to cart': 'add_to_cart'}
    """
    counts = Counter(str(row[column]) for row in rows if row.get(column) is not None)
    names = {}
    for value in counts:
        plain = _plain(value)
        action = re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")
        named = action if action[:1].isalpha() else f"event_{action}"
        names[value] = next((event for event, aliases in _EVENTS.items() if plain in aliases), named)
    return names, counts


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
