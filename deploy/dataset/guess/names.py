"""What columns are called: the names that each field and each event goes by."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "FIELDS",
    "HISTORY_FIELDS",
    "ITEM_FIELDS",
    "LIST_FIELDS",
    "OUTCOMES",
    "event_called",
    "event_of_value",
    "guess_fields",
    "names_of_events",
    "outcome_called",
    "plain",
    "unit_called",
    "value_word",
]

LIST_FIELDS = ("shown", "acted", "past", "sequence")
HISTORY_FIELDS = (
    *("user_id", "item_id", "occurred_at", "clock", "event", "value", "event_id", "recommendation_id", "position"),
    *LIST_FIELDS,
)
ITEM_FIELDS = ("item_id", "title", "text", "type", "categories", "language", "published_at")

FIELDS: dict[str, tuple[str, ...]] = {
    "user_id": (
        *(
            "userid",
            "user",
            "uid",
            "customerid",
            "customer",
            "personid",
            "person",
            "visitorid",
            "visitor",
            "memberid",
            "accountid",
        ),
        *("who", "member", "listener", "viewer", "reader", "player", "subscriber", "account", "buyer", "shopper", "client"),
        *("clientid", "patron", "patronid", "guest", "guestid", "username", "userhash", "profileid", "deviceid"),
        *("cookie", "cookieid", "anonymousid", "sessionid", "session", "visitid"),
        *("用户", "用户id", "用户编号", "nutzer", "benutzer", "kunde", "kundennr", "kundennummer"),
        *("utilisateur", "usuario", "cliente"),
    ),
    "item_id": (
        *("itemid", "item", "iid", "productid", "product", "movieid", "videoid", "gameid", "articleid", "newsid", "songid"),
        *("trackid", "adid", "bookid", "postid", "contentid", "asin", "sku", "aid", "reference", "movie", "film", "video"),
        *("song", "track", "book", "game", "article", "id"),
        *("商品id", "商品编号", "物品id", "编号", "artikel", "artikelnr", "artikelnummer", "produkt", "produit", "producto"),
    ),
    "occurred_at": (
        *("occurredat", "timestamp", "time", "datetime", "date", "ts", "eventtime", "createdat", "at", "unixtime"),
        *("impressiontime", "timems", "eventts", "day"),
        *("时间", "zeit", "zeitpunkt", "zeitstempel", "datum", "horodatage", "fecha"),
    ),
    "event": (
        *("event", "eventtype", "eventname", "action", "actiontype", "behavior", "behaviour", "behaviortype", "activity"),
        *("interaction", "interactiontype", "feedbacktype", "what"),
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
    "clock": ("clock", "timeofday", "hour", "uhrzeit"),
    "position": ("position", "rank", "slot", "rankposition"),
    "title": (
        *("title", "name", "itemname", "productname", "gamename", "headline", "caption", "movietitle", "标题", "名称"),
        *("titel", "bezeichnung", "titre", "titulo"),
    ),
    "text": (
        *("text", "subtitle", "description", "desc", "body", "abstract", "content", "summary", "描述", "简介"),
        *("beschreibung", "inhalt", "descripcion"),
    ),
    "type": ("type", "itemtype", "kind"),
    "categories": (
        *("categories", "category", "genres", "genre", "topic", "topics", "tags", "section", "group", "firstlevelcategoryname"),
        *("categorystr", "subcategory"),
        *("分类", "类别", "kategorie", "kategorien", "categorie", "categoria"),
    ),
    "language": ("language", "lang", "语言", "sprache", "langue", "idioma"),
    "published_at": (
        "publishedat",
        "published",
        "publishedtime",
        "releasedate",
        "publishdate",
        "year",
        "发布时间",
        "erscheinungsjahr",
    ),
}
"""Names that each field goes by, the likeliest first; lower case, without spaces, signs and accents."""

_EVENTS = {
    "impression": ("impression", "show", "shown", "seen", "exposure", "display", "displayed"),
    "click": (
        "click",
        "clicked",
        "view",
        "viewed",
        "pv",
        "detail",
        "open",
        "opened",
        "visit",
        "pageview",
        "itemview",
        "clickout",
        "clickoutitem",
    ),
    "read": ("read", "watch", "play", "listen", "dwell"),
    "purchase": ("purchase", "purchased", "buy", "bought", "transaction", "order", "ordered", "checkout"),
}
OUTCOMES = {
    "click": ("click", "clicked", "clk", "label", "target", "view", "viewed", "open", "opened"),
    "purchase": ("purchase", "purchased", "buy", "bought", "order", "ordered", "conversion", "converted", "pay", "paid"),
    "read": (
        *("read", "readtime", "nextreadtime", "readseconds", "playtime", "playtimems", "watchtime", "playduration", "dwell"),
        *("dwelltime", "timespent", "watchseconds", "playseconds", "listened"),
    ),
    "scroll": ("scroll", "scrollpercentage", "nextscrollpercentage", "scrolldepth", "scrollpercent"),
    "like": ("like", "liked", "likes", "favorite", "favourite", "fav", "favorited", "thumbsup"),
    "dislike": ("dislike", "disliked", "hate", "hated"),
    "share": ("share", "shared", "forward", "forwarded", "retweet"),
    "comment": ("comment", "commented", "reply", "replied"),
    "follow": ("follow", "followed"),
    "save": ("save", "saved", "bookmark", "bookmarked", "collect", "collected"),
    "hide": ("hide", "hidden", "skip", "skipped"),
    "add_to_cart": ("cart", "addtocart", "addcart", "basket"),
    "long_view": ("longview",),
    "download": ("download", "downloaded"),
    "subscribe": ("subscribe", "subscribed"),
}
"""What columns that say whether something came of an impression are called, without is, has or did in front."""

_BY_VALUE = {
    "rate": ("rating", "stars", "score", "bewertung", "sterne", "评分", "etoiles", "puntuacion"),
    "read": (
        *("hours", "minutes", "seconds", "duration", "dwell", "dwelltime", "watchtime", "playtime", "readseconds"),
        *("watchseconds", "dauer", "duree", "duracion"),
    ),
    "purchase": ("amount", "price", "revenue", "purchase", "quantity", "betrag", "preis", "prix", "precio"),
}
_VALUE_WORDS = ("hours", "minutes", "seconds", "stars", "rating", "amount")
_SUFFIXES = (":token", ":float", ":token_seq", ":float_seq")  # as RecBole's files have them


def guess_fields(
    names: Sequence[str], wanted: Iterable[str], declared: Mapping[str, str], *, usable: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Column of each wanted field that is declared, or that a column's name tells; an empty name says that there is none.

    Args:
        names: of the columns.
        usable: by field, those of the columns that hold what it takes; a field that is not in it takes any.

    >>> guess_fields(["User_ID", "Minutes heard", "Game Name"], ["user_id", "item_id", "title"], {}, usable={})
    {'user_id': 'User_ID', 'title': 'Game Name'}
    """
    columns = {plain(name): name for name in reversed(names)}
    found = dict(declared)
    for name in wanted:
        named = [columns[alias] for alias in FIELDS[name] if alias in columns]
        free = (column for column in named if column not in found.values() and column in usable.get(name, names))
        if name not in found and (column := next(free, None)) is not None:
            found[name] = column
    return found


def names_of_events(values: Iterable[str]) -> dict[str, str]:
    """The event that each value of a column seems to be.

    >>> names_of_events(["VIEW", "Add to cart", "3"])
    {'VIEW': 'click', 'Add to cart': 'add_to_cart', '3': 'event_3'}
    """
    names = {}
    for value in values:
        action = re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")
        named = action if action[:1].isalpha() else f"event_{action}".rstrip("_")
        names[value] = event_called(value) or named[:64]
    return names


def event_called(value: str) -> str | None:
    """The event that a value means, where that is known."""
    name = plain(value)
    return next((event for event, aliases in _EVENTS.items() if name in aliases or name.removesuffix("s") in aliases), None)


def event_of_value(column: str) -> str | None:
    """The event that a column of values goes with, by its name."""
    called = {plain(column), value_word(column)}
    return next((event for event, names in _BY_VALUE.items() if called.intersection(names)), None)


def outcome_called(column: str) -> str | None:
    """The event of which a column says whether it came about, by its name.

    >>> outcome_called("is_click"), outcome_called("play_time_ms"), outcome_called("is_weekend")
    ('click', 'read', None)
    """
    name = plain(column)
    bare = re.sub(r"^(?:is|has|did|was|if|num|n|count)(?=[^\W\d])", "", name)
    return next((event for event, names in OUTCOMES.items() if name in names or bare in names), None)


def value_word(name: str) -> str:
    """The first word of a column's name that can only be a value, such as minutes; else nothing."""
    return next((word for word in map(plain, re.split(r"[\W_]+", name)) if word in _VALUE_WORDS), "")


def unit_called(column: str) -> str:
    """The unit of time that a column's name tells; empty where it tells none.

    >>> unit_called("Minutes heard"), unit_called("play_time_ms"), unit_called("duration")
    ('minutes', 'milliseconds', '')
    """
    words = [plain(word) for word in re.split(r"[\W_]+", column)]
    if "ms" in words or "milliseconds" in words or "millis" in words:
        return "milliseconds"
    return next((unit for unit in ("hours", "minutes") if unit in plain(column)), "")


def plain(name: str) -> str:
    """A name in lower case, without spaces, signs and accents."""
    lower = name.lower()
    for suffix in _SUFFIXES:
        lower = lower.removesuffix(suffix)
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKD", lower))
