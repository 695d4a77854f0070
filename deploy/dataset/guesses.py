"""Owns the guess of what a file's columns mean, from their names and first rows; the user has the last word."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from deploy.dataset.evidence import cells_of, history_evidence, item_evidence, numbers_of
from deploy.dataset.tables import SURPLUS, HistoryFileError, read_rows

__all__ = [
    "FIELDS",
    "HISTORY_FIELDS",
    "ITEM_FIELDS",
    "Guess",
    "guess_fields",
    "guess_history",
    "guess_items",
    "guess_names",
    "sample",
]

HISTORY_FIELDS = ("user_id", "item_id", "occurred_at", "event", "value", "event_id", "recommendation_id")
ITEM_FIELDS = ("item_id", "title", "text", "type", "categories", "language", "published_at")

FIELDS: dict[str, tuple[str, ...]] = {
    "user_id": (
        *("userid", "user", "uid", "customerid", "customer", "visitorid", "visitor", "memberid", "sessionid", "accountid", "who"),
        *("member", "listener", "viewer", "reader", "player", "subscriber", "account", "buyer", "shopper"),
        *("用户", "用户id", "用户编号", "nutzer", "benutzer", "kunde", "kundennr", "kundennummer"),
        *("utilisateur", "usuario", "cliente"),
    ),
    "item_id": (
        *("itemid", "item", "iid", "productid", "product", "movieid", "videoid", "gameid", "articleid", "newsid", "songid"),
        *("trackid", "adid", "bookid", "postid", "contentid", "asin", "sku", "id"),
        *("商品id", "商品编号", "物品id", "编号", "artikel", "artikelnr", "artikelnummer", "produkt", "produit", "producto"),
    ),
    "occurred_at": (
        *("occurredat", "timestamp", "time", "datetime", "date", "ts", "eventtime", "createdat", "at", "unixtime"),
        *("时间", "zeit", "zeitpunkt", "zeitstempel", "datum", "horodatage", "fecha"),
    ),
    "event": (
        *("event", "eventtype", "eventname", "action", "behavior", "behaviour", "activity", "what"),
        *("行为", "ereignis", "evenement", "evento"),
    ),
    "value": (
        *("value", "rating", "stars", "score", "hours", "minutes", "seconds", "duration", "dwell", "dwelltime", "readseconds"),
        *("watchtime", "playtime", "watchseconds", "amount", "price", "revenue", "purchase", "quantity"),
        *("bewertung", "sterne", "评分", "etoiles", "puntuacion", "dauer", "duree", "duracion"),
        *("betrag", "preis", "prix", "precio"),
    ),
    "event_id": ("eventid",),
    "recommendation_id": ("recommendationid", "requestid", "impressionid"),
    "title": (
        *("title", "name", "itemname", "productname", "gamename", "headline", "caption", "movietitle", "标题", "名称"),
        *("titel", "bezeichnung", "titre", "titulo"),
    ),
    "text": (
        *("text", "description", "desc", "body", "abstract", "content", "summary", "描述", "简介"),
        *("beschreibung", "inhalt", "descripcion"),
    ),
    "type": ("type", "itemtype", "kind"),
    "categories": (
        *("categories", "category", "genres", "genre", "topic", "topics", "tags", "section", "group", "firstlevelcategoryname"),
        *("分类", "类别", "kategorie", "kategorien", "categorie", "categoria"),
    ),
    "language": ("language", "lang", "语言", "sprache", "langue", "idioma"),
    "published_at": ("publishedat", "published", "releasedate", "publishdate", "year", "发布时间", "erscheinungsjahr"),
}
"""Names that each field goes by, the likeliest first; lower case, without spaces, signs and accents."""

_EVENTS = {
    "impression": ("impression", "show", "shown", "seen", "exposure", "display", "displayed"),
    "click": ("click", "clicked", "view", "viewed", "pv", "detail", "open", "opened", "visit", "pageview", "itemview"),
    "read": ("read", "watch", "play", "listen", "dwell"),
    "purchase": ("purchase", "purchased", "buy", "bought", "transaction", "order", "ordered", "checkout"),
}
_BY_VALUE = {
    "rate": ("rating", "stars", "score", "bewertung", "sterne", "评分", "etoiles", "puntuacion"),
    "read": (
        *("hours", "minutes", "seconds", "duration", "dwell", "dwelltime", "watchtime", "playtime", "readseconds"),
        *("watchseconds", "dauer", "duree", "duracion"),
    ),
    "purchase": ("amount", "price", "revenue", "purchase", "quantity", "betrag", "preis", "prix", "precio"),
}
_VALUES = ("hours", "minutes", "seconds", "stars", "rating", "amount")
_SAMPLE = 2000
_SPARSE = 0.9


@dataclass(kw_only=True, slots=True)
class Guess:
    """What a file seems to hold; `columns` by field, those alone that it has."""

    header: bool = True
    columns: dict[str, str] = field(default_factory=dict)
    event: str = ""
    also: str = ""
    """What those rows are beside that, in which the value is not empty: many a row of a loan has no stars."""
    value_unit: str = ""


def sample(path: Path, *, header: bool = True) -> list[dict[str, Any]]:
    """The first rows; raises HistoryFileError for a file that cannot be read or holds none."""
    rows = [row for _, row in islice(read_rows(path, header=header), _SAMPLE) if SURPLUS not in row]
    if not rows:
        raise HistoryFileError(f"{path}: holds no rows")
    return rows


def guess_fields(
    rows: Sequence[dict[str, Any]], wanted: Iterable[str], declared: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Column of each wanted field that is said, or that a column's name tells; an empty name says that there is none.

    Of a name of several words the first one that is known tells what the value is.

    >>> guess_fields([{"User_ID": "1", "Minutes heard": "2.5", "Game Name": "Spore"}], ["user_id", "item_id", "value", "title"])
    {'user_id': 'User_ID', 'value': 'Minutes heard', 'title': 'Game Name'}
    """
    columns = {_plain(name): name for row in reversed(rows) for name in row}
    found = dict(declared or {})
    for name in wanted:
        named = [columns[alias] for alias in FIELDS[name] if alias in columns]
        if name == "value":
            named += [column for column in columns.values() if _value_word(column) and numbers_of(rows, column)]
        free = (column for column in named if column not in found.values())
        if name not in found and (column := next(free, None)) is not None:
            found[name] = column
    return found


def guess_history(
    rows: Sequence[dict[str, Any]], declared: Mapping[str, str] | None = None, items: Set[str] = frozenset()
) -> Guess:
    """What a file of events holds, by what is said, what names tell, and then what values tell; `items` are ids of known ones."""
    columns = guess_fields(rows, HISTORY_FIELDS, declared)
    columns = history_evidence(rows, columns, events=lambda cell: _event(cell) is not None, items=items)
    guess = Guess(columns=columns)
    column = columns.get("value", "")
    if not columns.get("event"):
        called = {_plain(column), _value_word(column)}
        guess.event = next((event for event, names in _BY_VALUE.items() if called.intersection(names)), "click")
        if guess.event in ("rate", "read") and len(cells_of(rows, column)) < _SPARSE * len(rows):
            guess.event, guess.also = "click", guess.event
    guess.value_unit = next((unit for unit in ("hours", "minutes") if unit in _plain(column)), "")
    return guess


def guess_items(rows: Sequence[dict[str, Any]], declared: Mapping[str, str] | None = None) -> dict[str, str]:
    """Column of each field of a file of items, by what is said, what names tell, and then what values tell."""
    return item_evidence(rows, guess_fields(rows, ITEM_FIELDS, declared))


def guess_names(rows: Sequence[dict[str, Any]], column: str) -> tuple[dict[str, str], Counter[str]]:
    """For an event column: the event that each of its values seems to be, and how often each value occurs in the sample.

    >>> guess_names([{"e": "view"}, {"e": "Add to cart"}], "e")[0]
    {'view': 'click', 'Add to cart': 'add_to_cart'}
    """
    counts = Counter(str(row[column]) for row in rows if row.get(column) is not None)
    names = {}
    for value in counts:
        action = re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")
        named = action if action[:1].isalpha() else f"event_{action}"
        names[value] = _event(value) or named
    return names, counts


def _event(value: str) -> str | None:
    """The event that a value means, where that is known."""
    return next((event for event, aliases in _EVENTS.items() if _plain(value) in aliases), None)


def _value_word(name: str) -> str:
    """The first word of a column's name that can only be a value, such as minutes; else nothing."""
    return next((word for word in map(_plain, re.split(r"[\W_]+", name)) if word in _VALUES), "")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKD", name.lower()))
