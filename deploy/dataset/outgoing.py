"""Tables as messages to be sent: what their columns mean is guessed as `headwater init` does."""

import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from deploy.dataset.events import EventReader
from deploy.dataset.files import Source
from deploy.dataset.guess.catalogue import draft_catalogue
from deploy.dataset.guess.draft import draft_history
from deploy.dataset.guess.profile import profile
from deploy.dataset.items import ItemReader
from deploy.dataset.messages import wire_event
from deploy.dataset.project import parse_project
from deploy.dataset.rejects import RowError
from deploy.dataset.write import project_text
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event

__all__ = ["changes", "events"]


def events(file: str) -> Iterator[tuple[str, Event | str]]:
    """The events of a table, each with its place; or the reason why a row is none.

    Raises:
        HistoryFileError: the table cannot be read, or its columns do not tell what they mean.
    """
    drafts = [draft_history(profile(Source(location=file)))]
    drafts += [draft.besides for draft in drafts if draft.besides is not None]
    project = parse_project(project_text(drafts, None), root=Path.cwd())
    for history in project.history:
        reader = EventReader(history, zone=ZoneInfo(project.time_zone), now=time.time())
        for batch in Source(location=file).batches():
            yield from ((bad.place, bad.detail) for bad in batch.bad)
            for at, row in enumerate(batch.rows()):
                place = batch.place(at)
                try:
                    found = [wire_event(event) for one in reader.read(row, f"{Path(file).name}:{place}") for event in one]
                except RowError as error:
                    yield place, str(error)
                    continue
                for event in found:
                    if not history.timed:
                        event.ClearField("occurred_at")
                    yield place, event


def changes(file: str) -> Iterator[tuple[str, CatalogueChange | str]]:
    """The changes of a table of items, each with its place; or the reason why a row is none.

    Raises:
        HistoryFileError: the table cannot be read, or its columns do not tell what they mean.
    """
    draft = draft_catalogue(profile(Source(location=file)), "item")
    project = parse_project(project_text([], draft), root=Path.cwd())
    if project.catalogue is None:
        return
    reader = ItemReader(project.catalogue, zone=ZoneInfo(project.time_zone), now=time.time())
    for batch in Source(location=file).batches():
        yield from ((bad.place, bad.detail) for bad in batch.bad)
        for at, row in enumerate(batch.rows()):
            try:
                yield batch.place(at), reader.read(row)
            except RowError as error:
                yield batch.place(at), str(error)
