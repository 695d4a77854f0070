"""Histories with their labels shuffled: nothing can be predicted of them, unless the import gives it away.

What was done with an impression is moved to another one: of the same list where rows hold lists, else of any user at any time. It
keeps its distance in time, and its place in the file. Values of events without an impression, such as ratings, change places.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from deploy.dataset.timeline import Row
from feature_repo.decoded_event import IMPRESSION, DecodedEvent

__all__ = ["earliest", "hold_lists", "shuffled"]

_MOST = 0.5


def earliest(rows: Sequence[Row], count: int) -> list[Row]:
    """So many rows: the first ones of each file without times, and the earliest of the others."""
    timed = sorted((row for row in rows if row.timed), key=lambda row: row.events[0].at)
    share = min(1.0, count / max(len(rows), 1))
    files: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if not row.timed:
            files[row.file].append(row)
    return [*timed[: round(share * len(timed))], *(row for some in files.values() for row in some[: round(share * len(some))])]


def hold_lists(rows: Sequence[Row]) -> bool:
    """Whether most impressions stand in a list with others: of one recommendation, or of one user and time."""
    groups = _groups(rows, range(len(rows)))
    alone = sum(len(group) == 1 for group in groups)
    return alone < _MOST * sum(map(len, groups))


def shuffled(rows: Sequence[Row], rng: random.Random) -> list[Row]:
    """The rows with labels that mean nothing."""
    to = _targets(rows, rng)
    found = [replace(row, events=row.events[:1]) if row.events[0].kind == IMPRESSION else row for row in rows]
    for at, shown in to.items():
        moved = [_moved(event, rows[at], rows[shown]) for event in rows[at].events[1:]]
        found[shown] = replace(found[shown], events=[*found[shown].events, *moved])
    others: dict[tuple[int, str], list[int]] = defaultdict(list)
    for at, shown_at in _actions(rows):
        event = rows[at].events[0]
        if shown_at is None:
            others[rows[at].file, event.kind].append(at)
        else:
            found[at] = replace(rows[at], events=[_moved(event, rows[shown_at], rows[to[shown_at]])])
    for places in others.values():
        values = [rows[at].events[0].value for at in places]
        rng.shuffle(values)
        for at, value in zip(places, values, strict=True):
            found[at] = replace(rows[at], events=[replace(rows[at].events[0], value=value)])
    return found


def _targets(rows: Sequence[Row], rng: random.Random) -> dict[int, int]:
    """For each impression, by its place among the rows, the one that gets what was done with it."""
    groups = _groups(rows, range(len(rows)))
    if hold_lists(rows):
        lists = [group for group in groups if len(group) > 1]
        groups = [*lists, [group[0] for group in groups if len(group) == 1]]
    else:
        groups = [[at for group in groups for at in group]]
    return {at: shown for group in groups for at, shown in zip(group, rng.sample(group, len(group)), strict=True)}


def _groups(rows: Sequence[Row], places: Sequence[int]) -> list[list[int]]:
    """Impressions, by their places among the rows, that were shown together."""
    found: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for at in places:
        row, event = rows[at], rows[at].events[0]
        if event.kind == IMPRESSION:
            together = event.recommendation_id or (event.at if row.timed else at)
            found[row.file, event.user_id, together].append(at)
    return list(found.values())


def _actions(rows: Sequence[Row]) -> Iterator[tuple[int, int | None]]:
    """Rows that are no impressions, each with the latest impression of its item before it; else with one at all, or None."""
    order = sorted(range(len(rows)), key=lambda at: _order(rows[at])) if all(row.timed for row in rows) else range(len(rows))
    any_of: dict[tuple[str, ...], int] = {}
    for at in order:
        if rows[at].events[0].kind == IMPRESSION:
            any_of |= dict.fromkeys(_keys(rows[at].events[0]), at)
    before: dict[tuple[str, ...], int] = {}
    for at in order:
        event = rows[at].events[0]
        if event.kind == IMPRESSION:
            before |= dict.fromkeys(_keys(event), at)
            continue
        keys = _keys(event)
        yield at, next((known[key] for known in (before, any_of) for key in keys if key in known), None)


def _order(row: Row) -> tuple[float, bool]:
    return row.events[0].at, row.events[0].kind != IMPRESSION


def _keys(event: DecodedEvent) -> list[tuple[str, ...]]:
    pair = (event.user_id, event.item_id)
    return [(*pair, event.recommendation_id), pair] if event.recommendation_id else [pair]


def _moved(event: DecodedEvent, shown: Row, to: Row) -> DecodedEvent:
    """What was done with one impression, as done with another."""
    was, now = shown.events[0], to.events[0]
    return replace(
        event,
        user_id=now.user_id,
        item_id=now.item_id,
        recommendation_id=now.recommendation_id,
        at=event.at + now.at - was.at,
    )
