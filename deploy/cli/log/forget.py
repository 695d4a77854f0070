"""`headwater forget`: erasing a user's data, with a receipt of what was erased where."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from deploy.cli.connection import BootstrapServers, CliError, DataDir, console, kafka_settings
from headwater.internal.v1.streams_pb2 import Erasure
from headwater.v1.topics import DEAD_LETTERS, ERASURES, EVENTS, EXAMPLES, ITEM_ACTIONS

__all__ = ["forget", "register"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(forget)


def forget(
    user: Annotated[str, typer.Argument(help="User id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    wait_seconds: Annotated[float, typer.Option(min=1, help="How long to wait for the receipt.")] = 60.0,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """Erase a user's data, and show the receipt.

    Events of the user that occurred before now are not counted any more, whenever they arrive; later ones begin a new user.
    Services ask for the same with an event: {"user_id": "u1", "forget": {}}.
    """
    from runtime.broker.rights import COMMANDS
    from streams.erasures import forget as ask

    settings = kafka_settings(bootstrap_servers, data_dir, COMMANDS["forget"])
    if not yes and not typer.confirm(f"Erase all data of user {user}? This cannot be undone"):
        raise CliError("nothing was erased")
    _show(ask(settings, user, wait_seconds=wait_seconds))


def _show(erasure: Erasure) -> None:
    when = f"{datetime.fromtimestamp(erasure.requested_at, UTC):%Y-%m-%d %H:%M:%S}"
    held = f"{erasure.events:,} events counted, {erasure.engagements:,} items engaged with, {erasure.event_ids:,} ids of events"
    topics = ", ".join(topic.name for topic in (EVENTS, ITEM_ACTIONS, EXAMPLES, DEAD_LETTERS))
    lines = Table.grid(padding=(0, 2))
    lines.add_row("request", f"event {erasure.event_id}, {EVENTS.name} {erasure.source.partition}@{erasure.source.offset}")
    lines.add_row("erased", f"the user's row, in the feature store and in the worker's memory: {held}")
    lines.add_row("erased", f"{erasure.awaiting_impressions:,} impressions that awaited labels; they teach nothing")
    lines.add_row("not counted", f"events that occurred until {when} UTC, if they come again; later ones begin a new user")
    lines.add_row("kept", f"records in {topics}, until the retention of each topic is over")
    lines.add_row("kept", "counters of items and weights of models: sums over all users, from which none can be taken out")
    lines.add_row("kept", f"this receipt, with the id of the user, in the feature store and in {ERASURES.name}")
    console.print(f"User {erasure.user_id} is forgotten.", markup=False)
    console.print(lines)
