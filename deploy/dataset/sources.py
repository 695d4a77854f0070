"""Owns the reading of a project's files: events in order of time, items, and which rows could not be used and why."""

import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from deploy.dataset.history_file import RowError, check_width, checked_event, flat_event, number_of, read_event, time_of
from deploy.dataset.project import VALUE_UNITS, Catalogue, History, Project
from deploy.dataset.tables import read_rows
from feature_repo.decode import check_change
from feature_repo.decoded_event import IMPRESSION, Occurrence
from headwater.v1.catalogue_pb2 import CatalogueChange, Item
from training.simulation.synthetic import simulated

__all__ = ["OLD_SECONDS", "Rejects", "Sources", "SourcesRead", "read_sources"]

OLD_SECONDS = 7 * 86_400.0
"""Of the newest event: served as of now, a history that ended longer ago has only users who are long gone."""

_SPAN_SECONDS = 90 * 86_400.0
_STEP_SECONDS = 60.0
_EXAMPLES = 3
_APART = 0.001
_SAME_VISIT_SECONDS = 1800.0
_TYPE = re.compile(r"[^a-z0-9_.-]+")
_YEARS = range(1000, 3000)


@dataclass(kw_only=True, slots=True)
class Rejects:
    """Rows of one file that cannot be used: how many of each kind, and the first of them in words."""

    rows: int = 0
    repeats: int = 0
    """Rows without an event id that say what an earlier one said, its time too; they are used, and count again."""
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, number: int, error: RowError) -> None:
        self.counts[error.kind] += 1
        shown = self.examples.setdefault(error.kind, [])
        if len(shown) < _EXAMPLES:
            shown.append(f"row {number}: {error}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcesRead:
    """What a project's files hold."""

    events: list[Occurrence]
    """In order of time."""
    items: list[Item]
    rejects: dict[str, Rejects]
    """By file name; of a file, or a name, that is there twice also by its place in the project."""
    kinds: Counter[str]
    """How many rows gave each kind of event; impressions that were implied or sampled are not in it."""
    timed: bool

    def ending_at(self, at: float) -> "SourcesRead":
        """The same, moved in time as a whole, so that the newest event is at `at` (Unix seconds): all gaps and ages stay."""
        shift = at - self.events[-1].at
        items = [Item.FromString(item.SerializeToString()) for item in self.items]
        for item in items:
            if item.HasField("published_at"):
                item.published_at.seconds += round(shift)
        return replace(self, events=[replace(event, at=event.at + shift) for event in self.events], items=items)


class Sources:
    """Reads a project; sampled impressions are drawn from `rng`."""

    def __init__(self, project: Project, *, now: float, rng: random.Random) -> None:
        self._project, self._now, self._rng = project, now, rng
        self._rejects: dict[str, Rejects] = {}
        self._kinds: Counter[str] = Counter()
        self._pairs: dict[tuple[str, str], int] = {}

    def read(self) -> SourcesRead:
        """Reads every file; raises HistoryFileError for one that cannot be read at all."""
        found = [(history, list(self._rows(place, history))) for place, history in enumerate(self._project.history)]
        begin, step = self._pace()
        timed: list[tuple[History, Occurrence]] = []
        for place, (history, rows) in enumerate(found):
            if not history.timed:
                rows = [
                    replace(event, at=begin + step * self._pairs[event.user_id, event.item_id] + _APART * (place + event.at))
                    for event in rows
                ]
            timed += ((history, event) for event in rows)
        timed.sort(key=lambda pair: pair[1].at)
        # A sampled impression lies a little before its event, and so may lie before the one that came ahead of that.
        events = sorted(self._with_impressions(timed), key=lambda event: event.at)
        items = self._items(self._project.catalogue, events)
        if self._project.simulate is not None:
            made, known = simulated(self._project.simulate, now=self._now)
            self._kinds.update(event.kind for event in made)
            events, items = sorted([*events, *made], key=lambda event: event.at), [*items, *known]
        return SourcesRead(
            events=events,
            items=items,
            rejects=self._rejects,
            kinds=self._kinds,
            timed=all(history.timed for history in self._project.history),
        )

    def _pace(self) -> tuple[float, float]:
        """First time and seconds from one pair of user and item to the next, for files that have no times."""
        pairs = max(len(self._pairs), 1)
        step = min(_STEP_SECONDS, _SPAN_SECONDS / pairs)
        return self._now - step * pairs, step

    def _rows(self, place: int, history: History) -> Iterator[Occurrence]:
        """Checked events; of a file without times `at` is the place within the row."""
        name = history.file.name
        alike = sum(one.file.name == name for one in self._project.history)
        rejects = self._rejects.setdefault(name if alike == 1 else f"{name} (history {place + 1})", Rejects())
        seen: set[int] = set()
        for number, row in read_rows(history.file, header=history.header):
            rejects.rows += 1
            try:
                events = self._events(history, f"{place}/{name}:{number}", row)
            except RowError as error:
                rejects.add(number, error)
                continue
            if events and history.timed and not row.get(history.named.event_id):
                said = hash(tuple((event.user_id, event.item_id, event.kind, event.value, event.at) for event in events))
                rejects.repeats += said in seen
                seen.add(said)
            for event in events:
                self._kinds[event.kind] += 1
                if not history.timed:
                    self._pairs.setdefault((event.user_id, event.item_id), len(self._pairs))
                yield event

    def _events(self, history: History, made_id: str, row: dict[str, Any]) -> list[Occurrence]:
        """What a row says; `made_id` names it where it has no event id."""
        columns, unit = history.named, VALUE_UNITS[history.value_unit]
        if history.outcomes:
            happened = {IMPRESSION: "", **{kind: column for kind, column in history.outcomes.items() if _truthy(row.get(column))}}
        else:
            kind = history.event or history.names.get(str(row.get(columns.event)), "")
            if kind == "skip":
                return []
            if history.timed and not kind and unit == 1.0:
                forms = history.time_formats
                return [read_event(row, columns, event="", event_id=made_id, now=self._now, time_formats=forms)]
            happened = {kind: columns.value}
        events = []
        for place, (kind, column) in enumerate(happened.items()):
            named = replace(columns, value=column)
            at = None if history.timed else 1.0 + place
            message = flat_event(row, named, kind, at=at, unit=unit, time_formats=history.time_formats)
            message.event_id = f"{message.event_id or made_id}{f'#{kind}' if history.outcomes else ''}"
            event = checked_event(message, self._now)
            events.append(replace(event, at=event.at + _APART * place) if history.timed else event)
        return events

    def _with_impressions(self, events: list[tuple[History, Occurrence]]) -> Iterator[Occurrence]:
        """The events, in order of time, with the impressions that their files ask for; one serves all that follows it soon."""
        done = [event.item_id for history, event in events if history.sampled_impressions and event.kind != IMPRESSION]
        had = {(event.user_id, event.item_id) for _, event in events}
        shown_at: dict[tuple[str, str], float] = {}
        for history, event in events:
            pair = (event.user_id, event.item_id)
            wanted = event.kind != IMPRESSION and (history.imply_impressions or history.sampled_impressions > 0)
            if wanted and event.at - shown_at.get(pair, -math.inf) >= _SAME_VISIT_SECONDS:
                shown_at[pair] = event.at
                # Drawn as often as they are chosen, so that taste and not popularity tells them from the one that was.
                drawn = (self._rng.choice(done) for _ in range(history.sampled_impressions))
                shown = [*(item for item in dict.fromkeys(drawn) if (event.user_id, item) not in had), event.item_id]
                self._rng.shuffle(shown)  # a place of its own in the list would give away which one was chosen
                for place, item in enumerate(shown):
                    at = event.at - _APART * (len(shown) - place) / (len(shown) + 1)
                    event_id = f"{event.event_id}#shown{place}"
                    yield replace(event, event_id=event_id, item_id=item, kind=IMPRESSION, value=None, at=at)
            yield event

    def _items(self, catalogue: Catalogue | None, events: list[Occurrence]) -> list[Item]:
        if catalogue is None:
            return [Item(item_id=item_id, type="item") for item_id in dict.fromkeys(event.item_id for event in events)]
        rejects = self._rejects.setdefault(catalogue.file.name, Rejects())
        items: dict[str, Item] = {}
        for number, row in read_rows(catalogue.file, header=catalogue.header):
            rejects.rows += 1
            try:
                change = _change(row, catalogue)
                if (rejection := check_change(change, self._now)) is not None:
                    raise RowError(rejection.detail.partition(":")[0], rejection.detail)
                if change.WhichOneof("change") == "upsert":
                    items[change.upsert.item_id] = change.upsert
                else:
                    items.pop(change.delete.item_id, None)
            except RowError as error:
                rejects.add(number, error)
        return list(items.values())


def read_sources(project: Project, *, now: float) -> SourcesRead:
    """All that a project's files hold; the same files give the same, but for times where they have none."""
    return Sources(project, now=now, rng=random.Random(0)).read()


def _truthy(value: Any) -> bool:
    number = number_of(value)
    return str(value).strip().lower() not in ("", "false", "no", "none", "null", "nan") if number is None else number != 0


def _change(row: dict[str, Any], catalogue: Catalogue) -> CatalogueChange:
    if isinstance(row.get("upsert"), dict) or isinstance(row.get("delete"), dict):
        try:
            return ParseDict(row, CatalogueChange())
        except ParseError as error:
            raise RowError("no change in the JSON form of `headwater produce --catalogue`", str(error)) from error
    check_width(row)
    columns = catalogue.columns
    if row.get(columns.item_id) is None:
        kind = f"column {columns.item_id!r} is missing or empty"
        raise RowError(kind, f"{kind}; the row has {', '.join(map(str, row)) or 'nothing'}")
    upsert = Item(
        item_id=str(row[columns.item_id]),
        type=_TYPE.sub("_", str(row.get(columns.type) or catalogue.item_type).lower()).strip("_.-") or "item",
        title=str(row.get(columns.title) or ""),
        text=str(row.get(columns.text) or ""),
        language=str(row.get(columns.language) or ""),
    )
    categories = row.get(columns.categories) or []
    parts = categories if isinstance(categories, list) else str(categories).split("|")
    upsert.categories.extend(part for part in (str(part).strip() for part in parts) if part)
    if (published := row.get(columns.published_at)) is not None:
        if number_of(published) in _YEARS:
            published = f"{number_of(published):.0f}-01-01"
        upsert.published_at.FromMicroseconds(round(time_of(published, columns.published_at, catalogue.time_formats) * 1e6))
    return CatalogueChange(upsert=upsert)
