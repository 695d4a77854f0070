"""`headwater offsets`: where the workers stand in the log, and letting them read it again."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from deploy.cli.connection import BootstrapServers, DataDir, console, kafka_settings

__all__ = ["register"]

_group = typer.Typer(help="Show where the workers stand in the log, or let them read it again.", no_args_is_help=True)


class Place(StrEnum):
    """Where a group may be set to."""

    START = "start"
    REMAINING = "remaining"
    END = "end"


def register(app: typer.Typer) -> None:
    """Adds the group of commands to the application."""
    app.add_typer(_group, name="offsets")


@_group.command("list")
def list_(bootstrap_servers: BootstrapServers = None, data_dir: DataDir = None) -> None:
    """List the workers' groups: the records that are behind them, and those that wait."""
    from runtime.broker.rights import COMMANDS
    from runtime.offsets import standing

    settings = kafka_settings(bootstrap_servers, data_dir, COMMANDS["offsets list"])
    table = Table("group", "topic", "done", "waiting")
    for state in standing(settings):
        table.add_row(state.group, state.topic, f"{state.committed:,}", f"{state.waiting:,}")
    console.print(table)


@_group.command()
def move(
    group: Annotated[str, typer.Argument(help="As `headwater offsets list` names it.")],
    to: Annotated[
        Place,
        typer.Option(
            help="start: what the log still holds is read again. remaining: where it stands, less what the log no longer holds. "
            "end: what waits is left out."
        ),
    ],
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """Set a group whose workers are stopped, or hold because records were lost, to another place in its topic.

    From the start, rows that stand know what they have counted; an emptied store is filled again. docs/operations.md says when.
    """
    from runtime import offsets

    settings = kafka_settings(bootstrap_servers, data_dir, offsets.rights_to_move(group))
    waiting = offsets.move(settings, group, to.value)
    console.print(f"{group} is set to {to.value}; {waiting:,} records wait for it")
