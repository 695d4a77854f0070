"""Owns the reading of a project's files: events in order of time, items, and which rows could not be used and why."""

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from deploy.dataset.history_file import RowError, check_width, checked_event, flat_event, number_of, read_event, time_of
from deploy.dataset.project import VALUE_UNITS, Catalogue, History, Project
from deploy.dataset.sampled_impressions import SampledImpressions
from deploy.dataset.tables import read_rows
from deploy.dataset.timeline import VISIT_SECONDS, Row, in_moments, timeline
from feature_repo.decode import check_change
from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from headwater.v1.catalogue_pb2 import CatalogueChange, Item
from training.simulation.synthetic import simulated

__all__ = ["OLD_SECONDS", "Rejects", "Sources", "SourcesRead", "read_sources"]

OLD_SECONDS = 7 * 86_400.0
"""Of the newest event: served as of now, a history that ended longer ago has only users who are long gone."""

_EXAMPLES = 3
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

    events: list[DecodedEvent]
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

    def read(self) -> SourcesRead:
        """Reads every file; raises HistoryFileError for one that cannot be read at all."""
        rows = [row for place, history in enumerate(self._project.history) for row in self._rows(place, history)]
        items = self._items(self._project.catalogue)
        events = in_moments(self._with_impressions(timeline(rows, now=self._now), rows, items or ()))
        if items is None:
            items = [Item(item_id=item_id, type="item") for item_id in dict.fromkeys(event.item_id for event in events)]
        if self._project.simulate is not None:
            made, known = simulated(self._project.simulate, now=self._now)
            self._kinds.update(event.kind for event in made)
            events, items = in_moments([*events, *made]), [*items, *known]
        return SourcesRead(
            events=events,
            items=items,
            rejects=self._rejects,
            kinds=self._kinds,
            timed=all(history.timed for history in self._project.history),
        )

    def _rows(self, place: int, history: History) -> Iterator[Row]:
        """What each row says, checked."""
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
                key = hash(tuple((event.user_id, event.item_id, event.kind, event.value, event.at) for event in events))
                rejects.repeats += key in seen
                seen.add(key)
            self._kinds.update(event.kind for event in events)
            if events:
                yield Row(file=place, events=events, timed=history.timed)

    def _events(self, history: History, made_id: str, row: dict[str, Any]) -> list[DecodedEvent]:
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
        for kind, column in happened.items():
            named = replace(columns, value=column)
            at = None if history.timed else 1.0
            message = flat_event(row, named, kind, at=at, unit=unit, time_formats=history.time_formats)
            message.event_id = f"{message.event_id or made_id}{f'#{kind}' if history.outcomes else ''}"
            events.append(checked_event(message, self._now))
        return events

    def _with_impressions(
        self, events: Sequence[DecodedEvent], rows: Sequence[Row], items: Iterable[Item]
    ) -> Iterator[DecodedEvent]:
        """The events, in order of time, with the impressions that their files ask for; one serves all that follows it soon."""
        files = {event.event_id: row.file for row in rows for event in row.events}
        published = {item.item_id: item.published_at.ToMicroseconds() / 1e6 for item in items if item.HasField("published_at")}
        sampled = {
            place: SampledImpressions(power=history.sampled_popularity, published_at=published, rng=self._rng)
            for place, history in enumerate(self._project.history)
            if history.sampled_impressions
        }
        shown_at: dict[tuple[str, str], float] = {}
        for event in events:
            place = files[event.event_id]
            history = self._project.history[place]
            if event.kind != IMPRESSION and place in sampled:
                yield from sampled[place].before(event, history.sampled_impressions)
            elif event.kind != IMPRESSION and history.imply_impressions:
                pair = (event.user_id, event.item_id)
                if event.at - shown_at.get(pair, -math.inf) >= VISIT_SECONDS:
                    shown_at[pair] = event.at
                    yield replace(event, event_id=f"{event.event_id}#shown", kind=IMPRESSION, value=None)
            yield event

    def _items(self, catalogue: Catalogue | None) -> list[Item] | None:
        """Items of the catalogue; None where the project has none."""
        if catalogue is None:
            return None
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
