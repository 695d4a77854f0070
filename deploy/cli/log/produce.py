"""`headwater produce`: events or catalogue changes from a file onto Kafka."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import ParseDict, ParseError
from rich.console import Console

from deploy.cli.connection import BootstrapServers, CliError, DataDir, console, kafka_settings
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import CATALOGUE, EVENTS
from runtime.broker.event_producer import event_producer
from runtime.broker.rights import COMMANDS, narrowed

__all__ = ["produce", "register"]

_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(produce)


def produce(
    file: Annotated[
        str, typer.Argument(help="One JSON object a line, or a table as `headwater init` reads it; - for standard input.")
    ] = "-",
    catalogue: Annotated[bool, typer.Option("--catalogue", help="The lines are catalogue changes, not events.")] = False,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """Send events to Kafka from JSON lines, or from a table whose columns are guessed as `headwater init` does.

    An absent event_id or occurred_at is filled in.

    An event: {"user_id": "u1", "item_id": "i1", "click": {}}; other bodies are impression, read, purchase and action.
    A change: {"upsert": {"item_id": "i1", "type": "article", "title": "..."}} or {"delete": {"item_id": "i1"}}.
    """
    topic = CATALOGUE if catalogue else EVENTS
    settings = kafka_settings(bootstrap_servers, data_dir, narrowed(COMMANDS["produce"], topic.name))
    if file != "-" and not Path(file).exists() and "://" not in file:
        raise CliError(f"{file} cannot be read: No such file or directory")
    bad = 0
    with event_producer(settings) as producer:
        refuse = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
        for place, message in _messages(file, catalogue):
            try:
                if isinstance(message, str):
                    raise ValueError(message)
                if isinstance(message, CatalogueChange):
                    producer.send_change(message)
                else:
                    producer.send(message)
            except ValueError as error:
                bad += 1
                if bad <= _SHOWN:
                    refuse.print(f"{place} was not sent: {error}")
        delivery = producer.flush(raise_on_failure=True)
    noun = ("change" if catalogue else "event") + ("" if delivery.acknowledged == 1 else "s")
    console.print(f"{delivery.acknowledged:,} {noun} acknowledged by {settings.bootstrap_servers}")
    if bad:
        raise CliError(f"{bad:,} lines were not sent; see above, and `headwater produce --help` for what a line holds")


def _messages(file: str, catalogue: bool) -> Iterator[tuple[str, Event | CatalogueChange | str]]:
    """Each message with its place, or the reason why it is none."""
    if file == "-":
        yield from _lines(catalogue)
        return
    from deploy.dataset.files import Source
    from deploy.dataset.messages import is_change, is_message

    whole = is_change if catalogue else is_message
    first: Mapping[str, Any] | None = None
    for batch in Source(location=file).batches():
        for bad in batch.bad:
            yield _line(bad.place), bad.detail
        for at, row in enumerate(batch.rows()):
            if first is None and not whole(first := row) and not _may_be_message(row, catalogue):
                yield from _table(file, catalogue)
                return
            yield _line(batch.place(at)), _parsed(row, catalogue)


def _may_be_message(row: Mapping[str, Any], catalogue: bool) -> bool:
    """Whether a row without a body is still meant as a message rather than as a row of a table."""
    return False if catalogue else set(row) <= {"event_id", "user_id", "item_id", "occurred_at", "recommendation_id", "forget"}


def _line(place: str) -> str:
    return place.replace("row ", "line ", 1) if "(line" not in place else place


def _lines(catalogue: bool) -> Iterator[tuple[str, Event | CatalogueChange | str]]:
    """Messages from standard input, each as soon as its line is there."""
    from deploy.dataset.files.objects import decoded
    from deploy.dataset.files.text import without_mark

    for number, line in enumerate(sys.stdin.buffer, start=1):
        text = without_mark(line) if number == 1 else line
        if text.strip():
            try:
                row = decoded(text)
                yield f"line {number}", _parsed(row, catalogue) if isinstance(row, dict) else "it is no JSON object"
            except ValueError as error:
                yield f"line {number}", str(error)


def _parsed(row: Mapping[str, Any], catalogue: bool) -> Event | CatalogueChange | str:
    try:
        return ParseDict(dict(row), CatalogueChange() if catalogue else Event())
    except ParseError as error:
        return str(error)


def _table(file: str, catalogue: bool) -> Iterator[tuple[str, Event | CatalogueChange | str]]:
    """Messages from a table whose columns names and values tell."""
    from deploy.dataset.outgoing import changes, events

    yield from changes(file) if catalogue else events(file)
