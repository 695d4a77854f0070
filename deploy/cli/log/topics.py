"""Owns `headwater topics`: what the event log holds, and creating it."""

from typing import Annotated

import typer
from rich.table import Table

from deploy.cli.connection import BootstrapServers, DataDir, console, kafka_settings

__all__ = ["register", "topics"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(topics)


def topics(
    create: Annotated[bool, typer.Option("--create", help="Create the topics that are missing first.")] = False,
    partitions: Annotated[int, typer.Option(min=1, help="With --create: of topics whose order over all keys is free.")] = 4,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """List Headwater's topics: partitions, records, keys."""
    from runtime.topics import describe, ensure_topics

    settings = kafka_settings(bootstrap_servers, data_dir)
    if create:
        made = ensure_topics(settings, partitions=partitions)
        console.print(f"created: {', '.join(made) or 'none, all of them stand'}")
    table = Table("topic", "key", "partitions", "records", "kept")
    for topic in describe(settings):
        kept = "last of a key" if topic.compacted else "all"
        table.add_row(topic.name, topic.key, str(topic.partitions), f"{topic.records:,}", kept)
    console.print(table)
