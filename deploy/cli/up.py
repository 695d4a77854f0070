"""`headwater up`: the embedded stack in the foreground, until Ctrl-C or the death of a part."""

import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from deploy import local
from deploy.cli.connection import called, console
from deploy.cli.data.own_data import project_here, read_project
from deploy.local.ports import listens
from deploy.local.process import brief, is_calm
from deploy.local.state import DEFAULT_DIRECTORIES, DataDirectory, StackState

if TYPE_CHECKING:
    from deploy.dataset.sources import SourcesRead
    from deploy.local.stack import Stack

__all__ = ["ending_now", "interrupt_on_signals", "print_access", "register", "up"]

_SERVER_PORT = 50051  # where clients of gRPC look first, and those of our documents
_DAY = 86_400
_TASKS = Path(local.__file__).with_name("tasks.toml")
_COLORS = {
    "broker": "magenta",
    "features": "green",
    "catalogue": "cyan",
    "learner": "yellow",
    "server": "blue",
    "console": "white",
}


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(up)


def up(
    project: Annotated[
        Path | None, typer.Argument(help="Directory of a project: its items and events are played in; else the one here, if any.")
    ] = None,
    tasks: Annotated[
        Path | None,
        typer.Option(
            envvar="HEADWATER_TASKS_FILE",
            exists=True,
            dir_okay=False,
            help="TOML file of what to predict; else the project's, else click, read_seconds and purchase.",
        ),
    ] = None,
    data_dir: Annotated[
        Path, typer.Option(envvar="HEADWATER_DATA_DIR", help="Holds rows, snapshots, caches and logs.")
    ] = DEFAULT_DIRECTORIES[0],
    port: Annotated[
        int | None, typer.Option(envvar="HEADWATER_SERVER_PORT", help="gRPC port; else 50051, or where that is taken a free one.")
    ] = None,
    broker_port: Annotated[int | None, typer.Option(help="Kafka port; else a free one.")] = None,
    console_port: Annotated[int | None, typer.Option(help="HTTP port of the console; else a free one.")] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of each topic whose order over all keys is free.")] = 4,
    redis_url: Annotated[str | None, typer.Option(help="redis:// URL of an online store; else SQLite.")] = None,
    encoder: Annotated[str | None, typer.Option(envvar="HEADWATER_ENCODER", help="transformers model; else MiniLM.")] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every line that the parts log, not warnings alone.")
    ] = False,
) -> None:
    """Run the whole of Headwater on this machine: broker, workers, server and a console for the browser.

    The embedded broker keeps its log in memory: what was published is gone after a restart; learned weights and rows stay.
    A project (see `headwater init`) is loaded again at each start, into empty rows and weights.
    """
    with DataDirectory(data_dir.resolve()) as directory:  # first: other commands then say that a stack is starting
        own = project_here(project, tasks=tasks)
        read = None
        if own is not None:
            tasks, encoder = own.tasks, encoder or os.environ.get("HEADWATER_ENCODER")
            port = port or _port(os.environ.get("HEADWATER_SERVER_PORT"))
            read = ending_now(read_project(own))

        from deploy.local.stack import Stack, StackConfig

        config = StackConfig(
            data_dir=data_dir,
            tasks_file=tasks or _TASKS,
            partitions=partitions,
            server_port=port or (None if listens(_SERVER_PORT) else _SERVER_PORT),
            broker_port=broker_port,
            redis_url=redis_url,
            encoder=encoder,
            console=True,
            console_port=console_port,
        )
        interrupt_on_signals()
        report, echo = (lambda line: console.print(f"[bold]{line}[/]")), partial(_echo, verbose=verbose)
        with Stack(config, report=report, echo=echo, directory=directory) as stack:
            try:
                _run(stack, read)
            except KeyboardInterrupt:
                console.print("[bold]stopping everything[/]")


def ending_now(read: "SourcesRead") -> "SourcesRead":
    """An old history as if it had gone on until now; to the server its users would be unknown, and all its items old."""
    from deploy.dataset.sources import OLD_SECONDS

    newest = read.events[-1].at
    days = int((time.time() - newest) // _DAY)
    if days * _DAY < OLD_SECONDS:
        return read
    moved = "all times are moved by as many, as if it were of today"
    console.print(f"[yellow]The newest event is {days:,} days old:[/] {moved}", soft_wrap=True)
    return read.ending_at(newest + days * _DAY)


def _run(stack: "Stack", read: "SourcesRead | None") -> None:
    """Starts the stack, plays in what was read, and stays until a part ends."""
    from deploy.dataset.load import load

    if read is not None:
        for leftover in ("store", "snapshots"):  # what an earlier start counted would be counted on top
            shutil.rmtree(stack.config.data_dir / leftover, ignore_errors=True)
    state = stack.start()
    if read is not None:
        load(read, state, check=stack.check, console=console)
    print_access(state)
    stack.watch()


def _echo(name: str, line: str, *, verbose: bool) -> None:
    if verbose or not is_calm(line):
        console.print(f"[{_COLORS[name]}]{name:>9}[/] {escape(line if verbose else brief(line))}", soft_wrap=True)


def _port(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def interrupt_on_signals() -> None:
    """Lets SIGTERM and SIGHUP end the command as Ctrl-C does; SIGINT too where a shell's background job ignores it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def print_access(state: StackState) -> None:
    """Says how to talk to a running stack."""
    data_dir = Path(state.store_dir).parent
    found = data_dir.resolve() in [place.resolve() for place in DEFAULT_DIRECTORIES]
    console.print("\n[bold green]Headwater is up.[/] Ctrl-C stops it.")
    if state.console is not None:
        console.print(f"  console  [bold]{state.console}[/]  (open it in a browser)")
    console.print(
        f"  gRPC     [bold]{state.server}[/]\n"
        f"  Kafka    [bold]{state.bootstrap_servers}[/]\n"
        f"  logs     {data_dir / 'logs'}\n"
        f"In another terminal, {'in this directory' if found else f'with --data-dir {data_dir} behind each'}:\n"
        f"  {called()} recommend USER       ranked items with their scores\n"
        f"  {called()} page USER TYPE=N...  a list of each type, in one call\n"
        f"  {called()} score USER ITEM...   scores of items that you name\n"
        f"  {called()} features USER        the user's stored features\n"
        f"  {called()} produce FILE         events, one JSON object a line\n"
        f"  {called()} topics               what the log holds\n",
        soft_wrap=True,
    )
