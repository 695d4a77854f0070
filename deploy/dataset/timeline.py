"""When imported events happen: a list is one moment, and what was done with its items follows the whole list.

A label must never stand ahead of the features that are to predict it. In a file a click stands beside its own impression, so that
taken row by row the items further down the list would be predicted by features that hold the click already.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from feature_repo.decoded_event import IMPRESSION, DecodedEvent

__all__ = ["VISIT_SECONDS", "Row", "in_moments", "timeline"]

VISIT_SECONDS = 1800.0
"""How long after its first impression a recommendation_id still names the same list."""

_SPAN_SECONDS = 90 * 86_400.0
_STEP_SECONDS = 60.0
_APART = 0.001
_BURST_GAP_SECONDS = 2.0
_RUN_ROWS = 32

Slot = int
Key = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one row of a file says: an event, or an impression and what came of it. One row has one time, or none."""

    file: int
    """Number of the file."""
    events: Sequence[DecodedEvent]
    timed: bool = True
    """False where the file holds no times; `at` of its events then means nothing."""


def timeline(rows: Sequence[Row], *, now: float) -> list[DecodedEvent]:
    """The events of all rows in order of time; those without times lie in the 90 days before `now`, in the order of the rows.

    Without times, rows of one user and recommendation_id are one moment. Where rows hold impressions and name no list, so are
    rows of one user that follow each other, in a file to which users come back; else each row is one. Rows of several files about
    the same user and item belong together.
    """
    timed = [row for row in rows if row.timed]
    return in_moments([*_after_their_list(timed), *_in_slots([row for row in rows if not row.timed], now)])


def in_moments(events: Iterable[DecodedEvent]) -> list[DecodedEvent]:
    """Events in order of time, the impressions of a moment before the actions of it.

    The impressions of one user and recommendation_id have the time of the first of them.
    """
    ordered, begun, found = sorted(events, key=_order), dict[Key, float](), list[DecodedEvent]()
    for event in ordered:
        if event.kind == IMPRESSION and event.recommendation_id:
            key = (event.user_id, event.recommendation_id)
            at = begun.get(key, event.at)
            if event.at - at > VISIT_SECONDS:
                at = event.at
            begun[key] = at
            found.append(event if at == event.at else replace(event, at=at))
        else:
            found.append(event)
    return sorted(found, key=_order)


def _order(event: DecodedEvent) -> tuple[float, bool]:
    return event.at, event.kind != IMPRESSION


def _after_their_list(rows: Sequence[Row]) -> list[DecodedEvent]:
    """The events of rows with times. When an outcome came about its row does not say: after all rows of the same list."""
    found = [event for row in rows for event in row.events[:1]]
    open_rows: dict[Key, list[Row]] = {}
    wide = sorted((row for row in rows if len(row.events) > 1 or row.events[0].kind == IMPRESSION), key=_row_time)
    for row in wide:
        first = row.events[0]
        key: Key = (first.user_id, first.recommendation_id) if first.recommendation_id else (first.user_id,)
        longest = VISIT_SECONDS if first.recommendation_id else _BURST_GAP_SECONDS
        same = open_rows.setdefault(key, [])
        if same and (first.at - _row_time(same[0 if first.recommendation_id else -1]) > longest or len(same) >= 4 * _RUN_ROWS):
            found += _outcomes(same)
            same.clear()
        same.append(row)
    for same in open_rows.values():
        found += _outcomes(same)
    return found


def _row_time(row: Row) -> float:
    return row.events[0].at


def _outcomes(rows: Sequence[Row]) -> list[DecodedEvent]:
    end = max(map(_row_time, rows))
    actions = [event for row in rows for event in row.events[1:]]
    return [replace(event, at=end + _APART * place) for place, event in enumerate(actions, start=1)]


def _in_slots(rows: Sequence[Row], now: float) -> list[DecodedEvent]:
    """The events of rows without times: moments one after the other, impressions at its beginning and then the actions."""
    slots: dict[Slot, list[DecodedEvent]] = defaultdict(list)
    for row, slot in zip(rows, _slots(rows), strict=True):
        slots[slot] += row.events
    step = min(_STEP_SECONDS, _SPAN_SECONDS / max(len(slots), 1))
    found = []
    for slot, events in slots.items():
        begin = now - step * (len(slots) - slot)
        actions = [event for event in events if event.kind != IMPRESSION]
        apart = min(_APART, 0.5 * step / (len(actions) + 1))
        found += [replace(event, at=begin) for event in events if event.kind == IMPRESSION]
        found += [replace(event, at=begin + apart * place) for place, event in enumerate(actions, start=1)]
    return found


def _slots(rows: Sequence[Row]) -> list[Slot]:
    """Number of each row's moment, from 0, in the order of the rows."""
    in_runs = _files_of_runs(rows)
    of_list: dict[Key, Slot] = {}
    of_pair: dict[Key, list[Slot]] = defaultdict(list)
    times: Counter[tuple[int, str, str, str]] = Counter()
    found: list[Slot] = []
    count, run = 0, 0
    before: Row | None = None
    for row in rows:
        first = row.events[0]
        pair, kind = (first.user_id, first.item_id), (row.file, first.kind, first.user_id, first.item_id)
        so_often = times[kind]
        times[kind] += 1
        goes_on = before is not None and before.file == row.file and before.events[0].user_id == first.user_id
        run = run + 1 if goes_on else 1
        if first.recommendation_id:
            slot = of_list.setdefault((first.user_id, first.recommendation_id), count)
        elif so_often < len(of_pair[pair]):  # another file, or another row, told of this pair: it belongs there
            slot = of_pair[pair][so_often]
        elif goes_on and row.file in in_runs and run <= _RUN_ROWS:
            slot = found[-1]
        else:
            slot, run = count, 1
        if so_often >= len(of_pair[pair]):
            of_pair[pair].append(slot)
        count = max(count, slot + 1)
        found.append(slot)
        before = row
    return found


def _files_of_runs(rows: Sequence[Row]) -> set[int]:
    """Files that hold impressions and to which users come back: there, rows of a user that follow each other were seen together.

    In a file that is sorted by user they are all that the user ever did.
    """
    shown = {row.file for row in rows if row.events[0].kind == IMPRESSION}
    runs: Counter[tuple[int, str]] = Counter()
    before: tuple[int, str] | None = None
    for row in rows:
        owner = (row.file, row.events[0].user_id)
        runs[owner] += owner != before
        before = owner
    returned = {file for (file, _), times in runs.items() if times > 1}
    return shown & returned
