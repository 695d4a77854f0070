"""`headwater explain`: why an item gets its predictions for a user, as text."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from deploy.cli.connection import DataDir, Server, console, server_address
from deploy.cli.requests.ask import call, print_info

__all__ = ["explain", "register"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(explain)


def explain(
    user: Annotated[str, typer.Argument(help="User id.")],
    item: Annotated[str, typer.Argument(help="Item id.")],
    task: Annotated[list[str] | None, typer.Option(help="Task to explain, repeatable; else all.")] = None,
    features: Annotated[bool, typer.Option("--features", help="Show the model's inputs behind the reasons, too.")] = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Say why an item gets its predictions for a user.

    What moved each prediction from that of an average user and item, and which past items of the user pulled it.
    """
    from headwater.v1.recommender_pb2 import ExplainRequest

    request = ExplainRequest(user_id=user, item_id=item, tasks=task or [])
    response = call(server_address(server, data_dir), lambda client: client.explain(request))
    for explained in response.tasks:
        console.print(
            f"[bold]{explained.task}[/]: {explained.prediction:.4g}, where an average user and item get {explained.baseline:.4g}"
        )
        for reason in explained.reasons:
            if not reason.summary.endswith("makes no difference"):
                console.print(f"  {escape(reason.summary)}", soft_wrap=True)
        if explained.past_items:
            console.print("  Of the user's past items:")
        for past in explained.past_items:
            when = f"{datetime.fromtimestamp(past.acted_at.seconds, UTC):%Y-%m-%d}"
            console.print(f"    {escape(past.summary)} ({past.item_id}, {when})", soft_wrap=True)
        if features:
            console.print("  Inputs of the model:")
            for one in explained.features:
                console.print(f"    {one.contribution:+.4f} by {one.feature} = {one.value:.4g}")
    print_info(response.info)
