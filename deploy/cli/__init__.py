"""`headwater` command: one module for each group of commands, and what becomes of their errors."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from deploy.cli import demo, features, model, token, up
from deploy.cli.data import check, init, replay, simulate
from deploy.cli.errors import user_message
from deploy.cli.log import dead_letters, forget, offsets, produce, topics
from deploy.cli.requests import ask, evaluate, explain, replay_scores

__all__ = ["app", "main"]

app = typer.Typer(
    name="headwater",
    help="A streaming, real-time, multi-task recommender. New here? Try `headwater demo`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
_PANELS = {
    "Start here": (demo, up),
    "Your own data": (init, check, replay, simulate),
    "A running system": (
        produce,
        ask,
        features,
        explain,
        replay_scores,
        evaluate,
        forget,
        topics,
        dead_letters,
        offsets,
        model,
        token,
    ),
}
for _panel, _modules in _PANELS.items():
    _commands, _groups = len(app.registered_commands), len(app.registered_groups)
    for _module in _modules:
        _module.register(app)
    for _command in app.registered_commands[_commands:]:
        _command.rich_help_panel = _panel
    for _group in app.registered_groups[_groups:]:
        _group.rich_help_panel = _panel


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headwater {version('headwater')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass  # the callback has done it


def main() -> None:
    """Runs the command line; an error that a user can act on is one message on standard error and exit status 1."""
    try:
        app()
    except Exception as error:
        message = user_message(error)
        if message is None:
            raise
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]error:[/] {escape(message)}")
        sys.exit(1)
