"""Owns the reading of recorded histories and catalogues: rows of files into events in order of time, and into items."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from deploy.dataset.tables import SURPLUS, HistoryFileError, read_rows
from deploy.dataset.timeline import in_moments
from deploy.dataset.times import unix_seconds
from feature_repo.decode import Rejection, check_change, check_event
from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from headwater.v1.catalogue_pb2 import CatalogueChange, Item
from headwater.v1.events_pb2 import Event

__all__ = [
    "Columns",
    "HistoryFileError",
    "RowError",
    "check_width",
    "checked_event",
    "flat_event",
    "number_of",
    "read_catalogue",
    "read_event",
    "read_history",
    "time_of",
]

_BODIES = ("impression", "click", "read", "purchase", "action")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d{1,2}")  # with three digits it may part thousands
_VALUES = re.compile(r"(?<= is )[^:,]*(?=[:,])|^\d+")


class RowError(ValueError):
    """A row that is no event; `kind` is the same for all rows that fail alike, the message speaks of this one."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which column of a table holds what. Of these `event`, `value`, `event_id` and `recommendation_id` may be absent."""

    user_id: str = "user_id"
    item_id: str = "item_id"
    occurred_at: str = "occurred_at"
    """As deploy.dataset.times.unix_seconds takes it."""
    event: str = "event"
    """`impression`, `click`, `read`, `purchase` or an action's name."""
    value: str = "value"
    """Seconds of a read, amount of a purchase, value of an action."""
    event_id: str = "event_id"
    recommendation_id: str = "recommendation_id"


def read_history(
    path: Path, *, columns: Columns | None = None, event: str = "", imply_impressions: bool = False, now: float
) -> list[DecodedEvent]:
    """Events of a file in order of time, each list as one moment (`deploy.dataset.timeline`); checked as the stream checks them.

    Each row is one event. A line of a JSON lines file may also be an event as `headwater produce` takes it.

    Args:
        path: ends in .parquet, .csv, .tsv, .jsonl or .ndjson.
        columns: names of the columns; by default as the fields of `Columns` are called.
        event: what every row is, for a table without a column that says so.
        imply_impressions: put an impression before each event that is none, for a history that holds no impressions.
        now: Unix seconds; events later than that are refused.

    Raises:
        HistoryFileError: the file or a row cannot be used.
    """
    columns = columns or Columns()
    found: list[DecodedEvent] = []
    for number, row in read_rows(path):
        try:
            checked = read_event(row, columns, event=event, event_id=f"{path.name}:{number}", now=now)
        except RowError as error:
            raise HistoryFileError(f"{path}, row {number}: {error}") from error
        if imply_impressions and checked.kind != IMPRESSION:
            found.append(replace(checked, event_id=f"{checked.event_id}#shown", kind=IMPRESSION, value=None))
        found.append(checked)
    if not found:
        raise HistoryFileError(f"{path}: holds no rows")
    return in_moments(found)


def read_catalogue(path: Path, *, now: float) -> list[Item]:
    """Items as a file of catalogue changes leaves them: JSON lines as `headwater produce --catalogue` takes them.

    Raises:
        HistoryFileError: the file or a line cannot be used.
    """
    items: dict[str, Item] = {}
    for number, row in read_rows(path):
        try:
            change = ParseDict(row, CatalogueChange())
            if (rejection := check_change(change, now)) is not None:
                raise ValueError(rejection.detail)
        except (ParseError, ValueError) as error:
            raise HistoryFileError(f"{path}, row {number}: {error}") from error
        if change.WhichOneof("change") == "upsert":
            items[change.upsert.item_id] = change.upsert
        else:
            items.pop(change.delete.item_id, None)
    return list(items.values())


def read_event(
    row: dict[str, Any], columns: Columns, *, event: str, event_id: str, now: float, time_formats: Sequence[str] = ()
) -> DecodedEvent:
    """The checked event of a row, which may be flat or an event as `headwater produce` takes it.

    Args:
        event: what the row is, where no column says so.
        event_id: for a row that has none.
        time_formats: forms of times, beside those that are always read.

    Raises:
        RowError: the row is no event, or the stream would reject it.
    """
    try:
        # Protobuf's JSON holds the body as an object; a flat row has plain values only.
        nested = any(isinstance(row.get(body), dict) for body in _BODIES)
        message = ParseDict(row, Event()) if nested else flat_event(row, columns, event, time_formats=time_formats)
    except ParseError as error:
        raise RowError("no event in the JSON form of `headwater produce`", str(error)) from error
    message.event_id = message.event_id or event_id
    return checked_event(message, now)


def checked_event(message: Event, now: float) -> DecodedEvent:
    """The event as the stream takes it; raises RowError where the stream would reject it."""
    checked = check_event(message, now)
    if isinstance(checked, Rejection):
        raise RowError(_VALUES.sub("...", checked.detail), checked.detail)
    return checked


def flat_event(
    row: Mapping[str, Any],
    columns: Columns,
    event: str,
    *,
    at: float | None = None,
    unit: float = 1.0,
    time_formats: Sequence[str] = (),
) -> Event:
    """The event of a row of plain values.

    Args:
        event: what the row is; empty where a column says so.
        at: Unix seconds, for a table that has no time.
        unit: what a value is multiplied with, such as 3600 for hours.
        time_formats: forms of times, beside those that are always read.

    Raises:
        RowError: a column is missing or holds what it cannot.
    """
    check_width(row)
    name = event or str(_cell(row, columns.event, hint="; or say with --event what every row is"))
    message = Event(
        event_id=str(row.get(columns.event_id) or ""),
        user_id=str(_cell(row, columns.user_id)),
        item_id=str(_cell(row, columns.item_id)),
        recommendation_id=str(row.get(columns.recommendation_id) or ""),
    )
    if at is None:
        at = time_of(_cell(row, columns.occurred_at), columns.occurred_at, time_formats)
    try:
        message.occurred_at.FromNanoseconds(round(at * 1e6) * 1000)
    except ValueError:
        shown = row.get(columns.occurred_at)
        raise RowError(
            f"column {columns.occurred_at!r} is out of range", f"column {columns.occurred_at!r} holds {shown!r}"
        ) from None
    if name in ("impression", "click"):
        getattr(message, name).SetInParent()
    elif name == "read":
        message.read.seconds = unit * _number(_cell(row, columns.value), columns.value)
    elif name == "purchase":
        message.purchase.amount = unit * _number(row.get(columns.value) or 0.0, columns.value)
    else:
        message.action.name = name
        value = _cell(row, columns.value) if name == "rate" else row.get(columns.value)
        if value is not None:
            message.action.value = unit * _number(value, columns.value)
    return message


def _cell(row: Mapping[str, Any], column: str, *, hint: str = "") -> Any:
    if (value := row.get(column)) is None:
        kind = f"column {column!r} is missing or empty"
        raise RowError(kind, f"{kind}; the row has {', '.join(map(str, row)) or 'nothing'}{hint}")
    return value


def _number(value: Any, column: str) -> float:
    if (number := number_of(value)) is None:
        raise RowError(f"column {column!r} holds no number", f"column {column!r} holds {value!r}, not a number")
    return number


def number_of(value: Any) -> float | None:
    """The finite number in a cell, with a decimal point or comma; None where it is none.

    >>> number_of("4,5"), number_of("4.50"), number_of("1,000"), number_of("k. A.")
    (4.5, 4.5, None, None)
    """
    if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip()):
        value = value.replace(",", ".")
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def check_width(row: Mapping[str, Any]) -> None:
    """Raises RowError for a row of which nobody can say which field belongs to which column."""
    if SURPLUS in row:
        raise RowError("more fields than the header names", "more fields than the header names; is a separator not in quotes?")


def time_of(value: Any, column: str, formats: Sequence[str]) -> float:
    """Unix seconds of a cell; raises RowError that names the column and what to do."""
    try:
        return unix_seconds(value, formats)
    except (TypeError, ValueError):
        problem = "neither Unix seconds nor an ISO 8601 time"
        hint = "nor of a form among its time_formats in headwater.toml"
        raise RowError(f"column {column!r} holds {problem}, {hint}", f"column {column!r} holds {value!r}, {problem}") from None
