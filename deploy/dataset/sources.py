"""The reading of a project's files: events in order of time, items, and which rows could not be used and why."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from deploy.dataset.events import EventReader
from deploy.dataset.files import Form, RowBatch, Source
from deploy.dataset.items import ItemReader
from deploy.dataset.project import Catalogue, History, Project
from deploy.dataset.rejects import Rejects, RowError
from deploy.dataset.sampled_impressions import SampledImpressions
from deploy.dataset.shuffled import earliest, hold_lists, shuffled
from deploy.dataset.timeline import VISIT_SECONDS, Row, in_moments, timeline
from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from headwater.v1.catalogue_pb2 import Item
from training.simulation.synthetic import simulated

__all__ = ["OLD_SECONDS", "Progress", "Rejects", "Sources", "SourcesRead", "read_sources"]

OLD_SECONDS = 7 * 86_400.0
"""Of the newest event: served as of now, a history that ended longer ago has only users who are long gone."""

Progress = Callable[[str, int], None]


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

    def __init__(self, project: Project, *, now: float, rng: random.Random, progress: Progress) -> None:
        self._project, self._now, self._rng, self._progress = project, now, rng, progress
        self._zone = ZoneInfo(project.time_zone)
        self._rejects: dict[str, Rejects] = {}
        self._kinds: Counter[str] = Counter()
        self._read: list[Row] = []
        self._dated: list[Item] = []

    def read(self) -> SourcesRead:
        """Reads every file; raises HistoryFileError for one that cannot be read at all."""
        rows = self._read = [row for place, history in enumerate(self._project.history) for row in self._rows(place, history)]
        items = self._items(self._project.catalogue)
        self._dated = [item for item in items or () if item.HasField("published_at")]
        events = in_moments(self._with_impressions(timeline(rows, now=self._now), rows))
        if items is None:
            items = [
                Item(item_id=item_id, type=self._project.item_type)
                for item_id in dict.fromkeys(event.item_id for event in events)
            ]
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

    def shuffled(self, rng: random.Random, *, rows: int) -> tuple[list[DecodedEvent], bool]:
        """Events of so many rows that were read, with labels that mean nothing, and whether these were shuffled within lists.

        Of an action before which impressions are sampled, any of the list takes the place.
        """
        some = earliest(self._read, rows)
        made = shuffled(some, rng)
        listed = hold_lists(some) or any(history.sampled_impressions for history in self._project.history)
        return in_moments(self._with_impressions(timeline(made, now=self._now), made, choice=rng)), listed

    def _rows(self, place: int, history: History) -> Iterator[Row]:
        """What each row says, checked."""
        name = Path(history.file).name
        alike = sum(Path(one.file).name == name for one in self._project.history)
        rejects = self._rejects.setdefault(name if alike == 1 else f"{name} (history {place + 1})", Rejects())
        project, seen, ids = self._project, set[int](), dict[str, int]()
        reader = EventReader(history, ways=project.normalize_ids, zone=self._zone, now=self._now)
        source = Source(
            location=history.file, form=Form(encoding=history.encoding, separator=history.separator, header=history.header)
        )
        for batch in self._batches(source, rejects):
            again, named = 0, reader.begin(batch.columns)
            for at, row in enumerate(batch.rows()):
                again = again + 1 if at and batch.numbers[at] == batch.numbers[at - 1] else 0
                made_id = f"{place}/{name}{batch.part and f'/{batch.part}'}:{batch.numbers[at]}{(again and f'.{again}') or ''}"
                try:
                    found = reader.read(row, made_id)
                except RowError as error:
                    rejects.add(batch.place(at), error)
                    continue
                for note in reader.notes:
                    rejects.note(batch.place(at), note)
                if found and named:
                    found = self._told_apart(found, made_id, ids, rejects, batch.place(at))
                elif history.timed:
                    said = hash(tuple(_said(event) for events in found for event in events))
                    rejects.repeats += said in seen
                    seen.add(said)
                for events in found:
                    self._kinds.update(event.kind for event in events)
                    yield Row(file=place, events=events, timed=history.timed)
        for events in reader.past():
            self._kinds.update(event.kind for event in events)
            yield Row(file=place, events=events, timed=history.timed)

    def _batches(self, source: Source, rejects: Rejects) -> Iterator[RowBatch]:
        for batch in source.batches():
            rejects.rows += len(batch)
            for bad in batch.bad:
                rejects.add_bad(bad)
            yield batch
            self._progress(source.location, rejects.rows)
        rejects.notes = source.notes

    def _told_apart(
        self, found: list[list[DecodedEvent]], made_id: str, ids: dict[str, int], rejects: Rejects, place: str
    ) -> list[list[DecodedEvent]]:
        """What a row says; under the row's own id where the event id that it names stands for something else already."""
        first = found[0][0]
        said = hash(tuple(_said(event) for events in found for event in events))
        if first.event_id.startswith(made_id) or ids.setdefault(first.event_id, said) == said:
            return found
        kind = "the event id stands for another row already: rows are taken as events of their own"
        rejects.note(place, RowError(kind, f"event id {first.event_id!r} was an event of another user, item, kind or time"))
        return [
            [replace(event, event_id=f"{made_id}#{place}.{at}") for at, event in enumerate(events)]
            for place, events in enumerate(found)
        ]

    def _with_impressions(
        self, events: Sequence[DecodedEvent], rows: Sequence[Row], *, choice: random.Random | None = None
    ) -> Iterator[DecodedEvent]:
        """The events, in order of time, with the impressions that their files ask for; one serves all that follows it soon.

        Args:
            choice: chooses from a sampled list in the user's place.
        """
        files = {event.event_id: row.file for row in rows for event in row.events}
        published = {item.item_id: item.published_at.ToMicroseconds() / 1e6 for item in self._dated}
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
                shown = sampled[place].before(event, history.sampled_impressions)
                yield from shown
                if choice is not None and shown:
                    event = replace(event, item_id=choice.choice(shown).item_id)
            elif event.kind != IMPRESSION and history.imply_impressions:
                pair = (event.user_id, event.item_id)
                if event.at - shown_at.get(pair, -math.inf) >= VISIT_SECONDS:
                    shown_at[pair] = event.at
                    yield replace(event, event_id=f"{event.event_id}#shown", kind=IMPRESSION, value=None)
            yield event

    def _items(self, catalogue: Catalogue | None) -> list[Item] | None:
        """Items of the catalogue; None where the project has none."""
        if catalogue is None or not catalogue.file:
            return None
        rejects = self._rejects.setdefault(Path(catalogue.file).name, Rejects())
        reader = ItemReader(catalogue, ways=self._project.normalize_ids, zone=self._zone, now=self._now)
        form = Form(encoding=catalogue.encoding, separator=catalogue.separator, header=catalogue.header)
        items: dict[str, Item] = {}
        for batch in self._batches(Source(location=catalogue.file, form=form), rejects):
            for at, row in enumerate(batch.rows()):
                try:
                    change = reader.read(row)
                except RowError as error:
                    rejects.add(batch.place(at), error)
                    continue
                for note in reader.notes:
                    rejects.note(batch.place(at), note)
                if change.WhichOneof("change") == "upsert":
                    items[change.upsert.item_id] = change.upsert
                else:
                    items.pop(change.delete.item_id, None)
        return list(items.values())


def _said(event: DecodedEvent) -> tuple[object, ...]:
    return event.user_id, event.item_id, event.kind, event.value, event.at


def _silent(location: str, rows: int) -> None:
    """Progress that nobody looks at."""


def read_sources(project: Project, *, now: float, progress: Progress = _silent) -> SourcesRead:
    """All that a project's files hold; the same files give the same, but for times where they have none.

    Args:
        progress: is told the file and its rows read so far, every few thousand rows.
    """
    return Sources(project, now=now, rng=random.Random(0), progress=progress).read()
