"""Rows of a history as events, checked as the stream checks them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.json_format import ParseDict, ParseError

from deploy.dataset.messages import BODIES, is_message
from deploy.dataset.project import VALUE_UNITS, History
from deploy.dataset.rejects import RowError
from deploy.dataset.values.ids import NotAnId, id_of, is_missing
from deploy.dataset.values.lists import list_of
from deploy.dataset.values.numbers import number_of, says_nothing, seconds_of
from deploy.dataset.values.times import joined, names_zone, unix_seconds
from feature_repo.decode import MAX_FUTURE_SECONDS, check_event
from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from headwater.v1.events_pb2 import Event

__all__ = ["EventReader", "happened", "ids_in", "time_of"]

_SKIP = "skip"
_UNTIMED = 1.0
_PAST_STEP_SECONDS = 60.0
_WEST = 14 * 3600.0 + MAX_FUTURE_SECONDS  # what is local time there is ahead of the same as UTC by so much at most
_VALUES = re.compile(r"(?<= is )[^:,]*(?=[:,])|^\d+")
_LABELLED = re.compile(r"(.+)-([01])")
_FALSE = frozenset(("", "false", "no", "n", "f", "none", "null", "nan", "-"))
_TIME_HINT = "nor of a form among its time_formats in headwater.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Done:
    """Whose row it is and when."""

    user_id: str
    at: float
    local: str
    """The time as it is written, where it names no zone and lies in the future."""
    recommendation_id: str


class EventReader:
    """Reads the rows of one history."""

    def __init__(self, history: History, *, ways: Sequence[str] = (), zone: tzinfo, now: float) -> None:
        """Args: `ways` in which ids are normalized; `zone` of times that name none; events later than `now` are refused."""
        self._history, self._columns, self._ways, self._now = history, history.named, ways, now
        self._zone = ZoneInfo(history.time_zone) if history.time_zone else zone
        self._unit = VALUE_UNITS[history.value_unit]
        self._messages = True
        self._known: dict[str, str | None] = {}
        self._past: dict[str, tuple[float, str, list[str]]] = {}
        self.notes: list[RowError] = []
        """What of the last row could not be used, although the row was."""

    def begin(self, columns: Collection[str]) -> bool:
        """Prepares for rows with these columns; whether one of them holds event ids."""
        self._messages = any(body in columns for body in BODIES)
        return self._messages or self._columns.event_id in columns

    def read(self, row: Mapping[str, Any], made_id: str) -> list[list[DecodedEvent]]:
        """What a row says: each list is one event, or an impression and what came of it.

        Args:
            made_id: names the row, for one that has no event id.

        Raises:
            RowError: the row is no event, or the stream would reject it.
        """
        self.notes.clear()
        history, columns = self._history, self._columns
        if self._messages and is_message(row):
            return [[self._message(row, made_id)]]
        made_id = (columns.event_id in row and id_of(row[columns.event_id])) or made_id
        if history.matrix:
            return list(self._matrix(row, made_id))
        if columns.shown or columns.acted:
            return list(self._list(row, made_id))
        if columns.sequence:
            return list(self._sequence(row, made_id))
        if isinstance(row.get(columns.item_id), list):
            return list(self._parallel(row, made_id))
        if history.outcomes:
            return [self._wide(row, made_id)]
        return list(self._plain(row, made_id))

    def past(self) -> Iterator[list[DecodedEvent]]:
        """What users did before their earliest row, where the rows have lists of that; once all rows were read."""
        for user_id, (at, made_id, items) in self._past.items():
            for place, item_id in enumerate(items):
                when = at - _PAST_STEP_SECONDS * (len(items) - place) if self._history.timed else _UNTIMED
                done = _Done(user_id=user_id, at=when, local="", recommendation_id="")
                yield [self._event("click", item_id, done, f"{made_id}#past{place}", None)]

    def _message(self, row: Mapping[str, Any], made_id: str) -> DecodedEvent:
        try:
            message = ParseDict(dict(row), Event(), ignore_unknown_fields=False)
        except ParseError as error:
            raise RowError("no event in the JSON form of `headwater produce`", str(error)) from error
        message.event_id = message.event_id or made_id
        return self._checked(message, local="")

    def _plain(self, row: Mapping[str, Any], made_id: str) -> Iterator[list[DecodedEvent]]:
        kind = self._history.event or self._kind(row)
        if kind != _SKIP:
            item_id = self._id(row, self._columns.item_id)
            value = self._value(row, kind, self._columns.value)
            yield [self._event(kind, item_id, self._done(row), made_id, value, position=self._position(row))]

    def _wide(self, row: Mapping[str, Any], made_id: str) -> list[DecodedEvent]:
        """An impression, and the outcomes that its columns tell of."""
        done, item_id = self._done(row), self._id(row, self._columns.item_id)
        shown = self._event(IMPRESSION, item_id, done, f"{made_id}#{IMPRESSION}", None, position=self._position(row))
        return [shown, *self._outcomes(row, item_id, done, made_id)]

    def _outcomes(self, row: Mapping[str, Any], item_id: str, done: _Done, made_id: str) -> Iterator[DecodedEvent]:
        for kind, column in self._history.outcomes.items():
            if happened(row.get(column)):
                value = self._value(row, kind, self._history.amounts.get(kind, column))
                yield self._event(kind, item_id, done, f"{made_id}#{kind}", value)

    def _list(self, row: Mapping[str, Any], made_id: str) -> Iterator[list[DecodedEvent]]:
        """One row for each item of a list that was shown, and for those that were acted on without being shown."""
        columns, done = self._columns, self._done(row)
        if not done.recommendation_id:
            done = _Done(user_id=done.user_id, at=done.at, local=done.local, recommendation_id=made_id)
        shown, acted = ids_in(row.get(columns.shown), self._ways), ids_in(row.get(columns.acted), self._ways)
        if shown and not columns.acted and all(labels := [_LABELLED.fullmatch(item) for item in shown]):
            acted = [label[1] for label in labels if label and label[2] == "1"]
            shown = [label[1] for label in labels if label]
        kind = self._history.event or ("click" if columns.acted or not row.get(columns.event) else self._kind(row))
        if not is_missing(row.get(columns.item_id)) and not columns.acted and kind != _SKIP:
            acted = [*acted, self._id(row, columns.item_id)]
        self._remember(row, done, made_id)
        if not shown and not acted:
            raise RowError("nothing was shown and nothing done", f"columns {columns.shown!r} and {columns.acted!r} are empty")
        for place, item_id in enumerate(dict.fromkeys([*shown, *acted])):
            named = f"{made_id}#{place}"
            events = []
            if place < len(shown):
                events.append(self._event(IMPRESSION, item_id, done, f"{named}#{IMPRESSION}", None, position=place))
            if item_id in acted:
                events.append(self._event(kind, item_id, done, f"{named}#{kind}", None))
                if len(acted) == 1:
                    events += self._outcomes(row, item_id, done, named)
            yield events

    def _sequence(self, row: Mapping[str, Any], made_id: str) -> Iterator[list[DecodedEvent]]:
        """An action for each item of a list, a second apart."""
        done, items = self._done(row), ids_in(row.get(self._columns.sequence), self._ways)
        self._remember(row, done, made_id)
        for place, item_id in enumerate(items):
            at = done.at + place if self._history.timed else done.at
            then = _Done(user_id=done.user_id, at=at, local=done.local, recommendation_id=done.recommendation_id)
            yield [self._event(self._history.event or "click", item_id, then, f"{made_id}#{place}", None)]

    def _parallel(self, row: Mapping[str, Any], made_id: str) -> Iterator[list[DecodedEvent]]:
        """A row for each place of lists that are equally long."""
        length = len(row[self._columns.item_id])
        lists = {name: cell for name, cell in row.items() if isinstance(cell, list) and len(cell) == length}
        if self._history.timed and self._columns.occurred_at not in lists:
            raise RowError(
                f"column {self._columns.item_id!r} holds a list, not one id",
                f"column {self._columns.item_id!r} holds {row[self._columns.item_id]!r:.60}, a list without a list of times",
            )
        for place in range(length):
            one = {**row, **{name: cells[place] for name, cells in lists.items()}}
            yield from self._plain({name: cell for name, cell in one.items() if cell is not None}, f"{made_id}#{place}")

    def _matrix(self, row: Mapping[str, Any], made_id: str) -> Iterator[list[DecodedEvent]]:
        """An event for each cell that holds something."""
        columns, history = self._columns, self._history
        by_user = "user_id" in history.columns or "item_id" not in history.columns
        mine = {getattr(columns, field) for field in history.columns}
        for column, cell in row.items():
            if column in mine or says_nothing(cell) or history.names.get(str(cell)) == _SKIP:
                continue
            flat = {**row, "\0other": column, "\0cell": cell}
            done = self._done(flat if by_user else {**flat, columns.user_id: column})
            item_id = self._id(flat, "\0other" if by_user else columns.item_id)
            kind = history.event or "rate"
            yield [self._event(kind, item_id, done, f"{made_id}#{column}", self._value(flat, kind, "\0cell", shown=column))]

    def _remember(self, row: Mapping[str, Any], done: _Done, made_id: str) -> None:
        if self._columns.past and (items := ids_in(row.get(self._columns.past), self._ways)):
            known = self._past.get(done.user_id)
            if known is None or (self._history.timed and done.at < known[0]):
                self._past[done.user_id] = (done.at, made_id, items)

    def _kind(self, row: Mapping[str, Any]) -> str:
        column = self._columns.event
        if is_missing(said := row.get(column)):
            raise _missing(row, column, hint="; or say with --event what every row is")
        return self._history.names.get(str(said).strip()) or str(said).strip()

    def _done(self, row: Mapping[str, Any]) -> _Done:
        columns, history = self._columns, self._history
        user_id, at, local = self._id(row, columns.user_id), _UNTIMED, ""
        if history.timed:
            cell = row.get(columns.occurred_at)
            if columns.clock and cell is not None:
                cell = joined(cell, row.get(columns.clock))
            if is_missing(cell):
                raise _missing(row, columns.occurred_at)
            at = time_of(cell, columns.occurred_at, history.time_formats, self._zone)
            if at > self._now and not names_zone(cell, history.time_formats):
                local = str(cell)
        recommendation_id = self._id(row, columns.recommendation_id, needed=False)
        return _Done(user_id=user_id, at=at, local=local, recommendation_id=recommendation_id)

    def _id(self, row: Mapping[str, Any], column: str, *, needed: bool = True) -> str:
        cell = row.get(column)
        if isinstance(cell, str) and cell in self._known:  # ids come again and again
            found = self._known[cell]
        else:
            try:
                found = id_of(cell, self._ways)
            except NotAnId as error:
                raise RowError(f"column {column!r} {error}", f"column {column!r} holds {cell!r:.60}, not one id") from error
            if isinstance(cell, str):
                self._known[cell] = found
        if found is None and needed:
            raise _missing(row, column)
        return found or ""

    def _position(self, row: Mapping[str, Any]) -> int | None:
        number = number_of(row.get(self._columns.position))
        return int(number) if number is not None and 0 <= number < 1e6 else None

    def _value(self, row: Mapping[str, Any], kind: str, column: str, *, shown: str = "") -> float | None:
        """The value of an event; one that cannot be read costs the event only where the event is nothing without it."""
        if kind in (IMPRESSION, "click"):
            return None
        cell, name = row.get(column), shown or column
        needed = kind in ("read", "rate")
        if says_nothing(cell):
            if needed:
                raise _missing(row, name) if cell is None else _no_number(name, cell)
            return 0.0 if kind == "purchase" else None
        if kind == "rate" or kind == "purchase":
            value = number_of(cell, self._history.decimal)
        else:
            timed = kind == "read" or not self._history.outcomes  # beside a time that was read there are flags and counts
            value = seconds_of(cell, self._history.decimal, self._unit if timed else 1.0)
        if value is None and column in self._history.outcomes.values() and not needed:
            return 0.0 if kind == "purchase" else None  # a flag, such as "yes"
        if value is None:
            if needed:
                raise _no_number(name, cell)
            self.notes.append(_no_number(name, cell))
            return 0.0 if kind == "purchase" else None
        return value

    def _event(
        self, kind: str, item_id: str, done: _Done, event_id: str, value: float | None, *, position: int | None = None
    ) -> DecodedEvent:
        message = Event(event_id=event_id, user_id=done.user_id, item_id=item_id, recommendation_id=done.recommendation_id)
        try:
            message.occurred_at.FromNanoseconds(round(done.at * 1e6) * 1000)
        except ValueError:
            column = self._columns.occurred_at
            raise RowError(f"column {column!r} is out of range", f"column {column!r} holds a time that no calendar has") from None
        if kind == IMPRESSION:
            message.impression.position = position or 0
        elif kind == "click":
            message.click.SetInParent()
        elif kind == "read":
            message.read.seconds = value or 0.0
        elif kind == "purchase":
            message.purchase.amount = value or 0.0
        else:
            message.action.name = kind
            if value is not None:
                message.action.value = value
        return self._checked(message, local=done.local)

    def _checked(self, message: Event, *, local: str) -> DecodedEvent:
        """The event as the stream takes it."""
        checked = check_event(message, self._now)
        if isinstance(checked, DecodedEvent):
            return checked
        ahead = message.occurred_at.seconds - self._now
        if checked.reason == "future" and local and ahead <= _WEST:
            column = self._columns.occurred_at
            kind = f'column {column!r} holds local times ahead of now: name their zone, such as time_zone = "Asia/Shanghai"'
            detail = f"column {column!r} holds {local!r}, which is {ahead / 3600:.1f} hours ahead if it is UTC"
            raise RowError(kind, detail)
        raise RowError(_VALUES.sub("...", checked.detail), checked.detail)


def ids_in(cell: Any, ways: Sequence[str] = ()) -> list[str]:
    """The ids in a cell that holds several: a list, or parted by blanks, commas, semicolons or bars.

    >>> ids_in("N1-1 N2-0"), ids_in([3.0, None, "x"]), ids_in("1|2"), ids_in(None)
    (['N1-1', 'N2-0'], ['3', 'x'], ['1', '2'], [])
    """
    found = list_of(cell)
    if found is None:
        text = "" if is_missing(cell) else str(cell)
        sign = next((sign for sign in "|;," if sign in text), None)
        found = text.split(sign)
    ids = (id_of(one, ways) for one in found if not isinstance(one, (list, dict)))
    return [one for one in ids if one is not None]


def happened(cell: Any) -> bool:
    """Whether a cell says that something came about.

    >>> [happened(cell) for cell in (1, "0", "no", "0.00", "True", [], "2026-09-01", None)]
    [True, False, False, False, True, False, True, False]
    """
    if isinstance(cell, (list, tuple)):
        return bool(cell)
    if cell is None or says_nothing(cell):
        return False
    number = number_of(cell)
    return str(cell).strip().lower() not in _FALSE if number is None else number != 0


def time_of(value: Any, column: str, formats: Sequence[str], zone: tzinfo) -> float:
    """Unix seconds of a cell; raises RowError that names the column and what to do."""
    try:
        return unix_seconds(value, formats, zone)
    except (TypeError, ValueError, OverflowError):
        problem = "neither Unix seconds nor an ISO 8601 time"
        kind = f"column {column!r} holds {problem}, {_TIME_HINT}"
        raise RowError(kind, f"column {column!r} holds {value!r}, {problem}") from None


def _missing(row: Mapping[str, Any], column: str, *, hint: str = "") -> RowError:
    kind = f"column {column!r} is missing or empty"
    said = row.get(column)
    holds = f"it holds {said!r}" if said is not None else f"the row has {', '.join(map(str, row)) or 'nothing'}"
    return RowError(kind, f"{kind}; {holds}{hint}")


def _no_number(column: str, cell: Any) -> RowError:
    return RowError(f"column {column!r} holds no number", f"column {column!r} holds {cell!r:.60}, not a number")
