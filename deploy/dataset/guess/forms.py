"""The forms that histories come in, and which one a file is in."""

from collections.abc import Callable, Mapping, Set

from deploy.dataset.guess.columns import Guess, by_place, scalar_columns
from deploy.dataset.guess.evidence import are_unix_seconds
from deploy.dataset.guess.lists import lists, parallel
from deploy.dataset.guess.names import HISTORY_FIELDS, event_of_value
from deploy.dataset.guess.profile import Profile
from deploy.dataset.guess.wide import flags, matrix
from deploy.dataset.messages import BODIES, is_message
from deploy.dataset.values.numbers import number_of

__all__ = ["FORMATS", "bodies", "guess_form", "messages", "plain_events", "ratings"]

_SPARSE = 0.9
_FEW_LEVELS = 25


def messages(profile: Profile, declared: Mapping[str, str], items: Set[str]) -> Guess | None:
    """JSON lines of events as `headwater produce` takes them."""
    if not profile.sample or not all(map(is_message, profile.sample[:20])):
        return None
    return Guess(form="messages", columns=dict(declared))


def ratings(profile: Profile, declared: Mapping[str, str], items: Set[str]) -> Guess | None:
    """User, item, rating and time without a header, as MovieLens has them."""
    if profile.header or "event" in declared or not 3 <= len(profile.names) <= 5:
        return None
    free = [name for name in profile.names if name not in declared.values()]
    columns = dict(declared)
    if "occurred_at" not in columns and (timed := [name for name in free if are_unix_seconds(profile.cells(name))]):
        columns["occurred_at"] = timed[-1]
    rated = [name for name in free if name not in columns.values() and _is_rating(profile, name)]
    if "value" not in columns and rated:
        columns["value"] = rated[-1]
    rest = [name for name in free if name not in columns.values()]
    if "value" not in columns or len(rest) < 2 - len(columns.keys() & {"user_id", "item_id"}):
        return None
    return Guess(form="ratings", columns=by_place(profile, columns, rest, items), event="rate")


def _is_rating(profile: Profile, name: str) -> bool:
    numbers = [number_of(value) for value in profile.columns[name].counts]
    return 2 <= len(numbers) <= _FEW_LEVELS and all(one is not None and 0 <= one <= 10 for one in numbers)


def plain_events(profile: Profile, declared: Mapping[str, str], items: Set[str]) -> Guess:
    """One event a row."""
    columns = scalar_columns(profile, declared, items)
    guess = Guess(form="events", columns=columns)
    if not profile.header and ("user_id" not in columns or "item_id" not in columns):
        rest = [name for name in profile.names if name not in columns.values()]
        guess.columns = by_place(profile, columns, rest, items)
    column = columns.get("value", "")
    if not columns.get("event"):
        guess.event = event_of_value(column) or "click"
        if guess.event in ("rate", "read") and profile.share(column) < _SPARSE:
            guess.event, guess.also = "click", guess.event
    return guess


_Recognizer = Callable[[Profile, Mapping[str, str], Set[str]], Guess | None]
_IN_TURN: tuple[_Recognizer, ...] = (messages, matrix, parallel, lists, ratings, flags, plain_events)
FORMATS: dict[str, tuple[_Recognizer, ...]] = {
    "events": (messages, plain_events),
    "mind": (lists,),
    "ebnerd": (parallel, lists),
    "sessions": (parallel, lists, plain_events),
    "flags": (flags,),
    "movielens": (ratings, plain_events),
    "matrix": (matrix,),
}
"""What `--format` may say, and the forms that are tried then."""


def guess_form(profile: Profile, declared: Mapping[str, str], items: Set[str], *, only: str = "") -> Guess | None:
    """What a file of events holds, by what is declared, then by names and values; None where it is not as `only` says.

    Args:
        declared: column by field; an empty name says that there is none.
        items: ids of known items.
        only: one of FORMATS, or empty for any.
    """
    for recognizer in FORMATS[only] if only else _IN_TURN:
        if (guess := recognizer(profile, declared, items)) is not None:
            guess.columns = {name: guess.columns[name] for name in HISTORY_FIELDS if guess.columns.get(name)}
            return guess
    return None


def bodies(profile: Profile) -> set[str]:
    """The events that messages hold."""
    kinds = {body for body in BODIES for row in profile.sample if isinstance(row.get(body), dict)}
    named = {str(row["action"].get("name")) for row in profile.sample if isinstance(row.get("action"), dict)}
    return (kinds - {"action"}) | (named - {"None"})
