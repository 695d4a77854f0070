"""Owns `headwater produce`: events or catalogue changes from JSON lines onto Kafka."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO, TypeVar

import typer
from google.protobuf.json_format import Parse, ParseError
from rich.console import Console

from deploy.cli.connection import BootstrapServers, CliError, DataDir, console, kafka_settings
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import CATALOGUE, EVENTS
from runtime.broker.rights import COMMANDS, narrowed
from streams.producer import EventProducer

__all__ = ["produce", "register"]

_Message = TypeVar("_Message", Event, CatalogueChange)
_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(produce)


def produce(
    file: Annotated[Path, typer.Argument(help="One JSON object a line; - for standard input.")] = Path("-"),
    catalogue: Annotated[bool, typer.Option("--catalogue", help="The lines are catalogue changes, not events.")] = False,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """Send events to Kafka from JSON lines.

    An absent event_id or occurred_at is filled in.

    An event: {"user_id": "u1", "item_id": "i1", "click": {}}; other bodies are impression, read, purchase and action.
    A change: {"upsert": {"item_id": "i1", "type": "article", "title": "..."}} or {"delete": {"item_id": "i1"}}.
    """
    topic = CATALOGUE if catalogue else EVENTS
    settings = kafka_settings(bootstrap_servers, data_dir, narrowed(COMMANDS["produce"], topic.name))
    bad = 0
    with _lines(file) as lines, EventProducer(settings) as producer:
        refuse = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                if catalogue:
                    _send(line, CatalogueChange(), producer.send_change)
                else:
                    _send(line, Event(), producer.send)
            except (ParseError, ValueError) as error:
                bad += 1
                if bad <= _SHOWN:
                    refuse.print(f"line {number} was not sent: {error}")
        delivery = producer.flush(raise_on_failure=True)
    noun = ("change" if catalogue else "event") + ("" if delivery.acknowledged == 1 else "s")
    console.print(f"{delivery.acknowledged:,} {noun} acknowledged by {settings.bootstrap_servers}")
    if bad:
        raise CliError(f"{bad:,} lines were not sent; see above, and `headwater produce --help` for what a line holds")


def _send(line: str, message: _Message, send: Callable[[_Message], object]) -> None:
    send(Parse(line, message))


@contextmanager
def _lines(file: Path) -> Iterator[TextIO]:
    if str(file) == "-":
        yield sys.stdin
        return
    try:
        with file.open(encoding="utf-8") as lines:
            yield lines
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from error
