"""Owns the reading of recorded histories and catalogues: Parquet, CSV and JSON lines into events in order of time."""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from google.protobuf.json_format import ParseDict, ParseError

from feature_repo.decode import Rejection, check_change, check_event
from feature_repo.occurrence import IMPRESSION, Occurrence
from protos.catalogue_pb2 import CatalogueChange, Item
from protos.events_pb2 import Event

__all__ = ["Columns", "HistoryFileError", "read_catalogue", "read_history"]

_BODIES = ("impression", "click", "read", "purchase", "action")
_SURPLUS = "\0surplus"


class HistoryFileError(ValueError):
    """A file that cannot be used; the message names the file, the row (from 1, a header not counted) and what to change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which column of a table holds what. Of these `event`, `value`, `event_id` and `recommendation_id` may be absent."""

    user_id: str = "user_id"
    item_id: str = "item_id"
    occurred_at: str = "occurred_at"
    """Unix seconds, ISO 8601 (UTC where it names no zone), or the format's own time type."""
    event: str = "event"
    """`impression`, `click`, `read`, `purchase` or an action's name."""
    value: str = "value"
    """Seconds of a read, amount of a purchase, value of an action."""
    event_id: str = "event_id"
    recommendation_id: str = "recommendation_id"


def read_history(
    path: Path, *, columns: Columns | None = None, event: str = "", imply_impressions: bool = False, now: float
) -> list[Occurrence]:
    """Events of a file in order of time, those of one time in order of the file; checked as the stream checks them.

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
    found: list[Occurrence] = []
    for number, row in _rows(path):
        try:
            # Protobuf's JSON holds the body as an object; a flat row has plain values only.
            nested = any(isinstance(row.get(body), dict) for body in _BODIES)
            message = ParseDict(row, Event()) if nested else _event(row, columns, event)
            if not message.event_id:
                message.event_id = f"{path.name}:{number}"
            checked = check_event(message, now)
            if isinstance(checked, Rejection):
                raise ValueError(checked.detail)
        except (ParseError, ValueError) as error:
            raise HistoryFileError(f"{path}, row {number}: {error}") from error
        if imply_impressions and checked.kind != IMPRESSION:
            found.append(replace(checked, event_id=f"{checked.event_id}#shown", kind=IMPRESSION, value=None))
        found.append(checked)
    if not found:
        raise HistoryFileError(f"{path}: holds no rows")
    return sorted(found, key=lambda occurrence: occurrence.at)


def read_catalogue(path: Path, *, now: float) -> list[Item]:
    """Items as a file of catalogue changes leaves them: JSON lines as `headwater produce --catalogue` takes them.

    Raises:
        HistoryFileError: the file or a line cannot be used.
    """
    items: dict[str, Item] = {}
    for number, row in _rows(path):
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


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with their numbers, from 1."""
    suffix = path.suffix.lower()
    readers = {".parquet": _parquet, ".csv": _csv, ".tsv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines}
    if suffix not in readers:
        raise HistoryFileError(f"{path}: ends in {suffix or 'no suffix'}; give a file that ends in {', '.join(readers)}")
    try:
        yield from readers[suffix](path)
    except (OSError, UnicodeDecodeError) as error:
        raise HistoryFileError(f"{path}: cannot be read ({error})") from error


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    # Imported here: a host that replays CSV or JSON lines does not need it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches()
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
    except pa.ArrowInvalid as error:
        raise HistoryFileError(f"{path}: is no Parquet file ({error})") from error


def _csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines, delimiter=separator, restkey=_SURPLUS)
        for number, row in enumerate(rows, start=1):
            if _SURPLUS in row:
                raise HistoryFileError(f"{path}, row {number}: has more fields than the header names")
            yield number, {name: value for name, value in row.items() if value not in (None, "")}


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield number, msgspec.json.decode(line, type=dict[str, Any])
                except msgspec.MsgspecError as error:
                    raise HistoryFileError(f"{path}, row {number}: no JSON object ({error})") from error


def _event(row: Mapping[str, Any], columns: Columns, event: str) -> Event:
    """The event of a flat row; raises ValueError that says which column is wrong."""
    name = event or str(_cell(row, columns.event, hint="; or say with --event what every row is"))
    message = Event(
        event_id=str(row.get(columns.event_id) or ""),
        user_id=str(_cell(row, columns.user_id)),
        item_id=str(_cell(row, columns.item_id)),
        recommendation_id=str(row.get(columns.recommendation_id) or ""),
    )
    message.occurred_at.FromNanoseconds(round(_unix_seconds(_cell(row, columns.occurred_at), columns.occurred_at) * 1e6) * 1000)
    if name in ("impression", "click"):
        getattr(message, name).SetInParent()
    elif name == "read":
        message.read.seconds = _number(_cell(row, columns.value), columns.value)
    elif name == "purchase":
        message.purchase.amount = _number(row.get(columns.value) or 0.0, columns.value)
    else:
        message.action.name = name
        if (value := row.get(columns.value)) is not None:
            message.action.value = _number(value, columns.value)
    return message


def _cell(row: Mapping[str, Any], column: str, *, hint: str = "") -> Any:
    if (value := row.get(column)) is None:
        raise ValueError(f"column {column!r} is missing or empty; the row has {', '.join(map(str, row)) or 'nothing'}{hint}")
    return value


def _number(value: Any, column: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"column {column!r} holds {value!r}, not a number")
    return number


def _unix_seconds(value: Any, column: str) -> float:
    if isinstance(value, str) and ("-" in value[1:] or ":" in value):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"column {column!r} holds {value!r}, neither Unix seconds nor an ISO 8601 time") from None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return _number(value, column)
