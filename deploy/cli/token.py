"""`headwater token`: a new client's token, and its table for the server's tokens file."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from deploy.cli.connection import console

__all__ = ["register", "token"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(token)


def token(
    name: Annotated[str, typer.Argument(help="Name of the client: lower-case letters, digits, - and _.")],
    scope: Annotated[list[str], typer.Option(help="score, ingest, impressions, erase or admin, repeatable.")],
    days: Annotated[int, typer.Option(min=1, help="Days until it expires.")] = 365,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Requests a second and server process; else no limit.")] = None,
) -> None:
    """Make a bearer token for a client. It is shown once and kept nowhere.

    Append the table to the file that HEADWATER_SERVER_TOKENS_FILE names; servers take it up within a second or so.
    """
    from serving.api.tokens import SCOPES, new_token

    if wrong := sorted(set(scope).difference(SCOPES)):
        raise typer.BadParameter(f"--scope {', '.join(wrong)}: there are {', '.join(SCOPES)}")
    if not name.replace("-", "").replace("_", "").isalnum() or name != name.lower():
        raise typer.BadParameter(f"{name!r}: use lower-case letters, digits, - and _")
    secret, digest = new_token()
    expires = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    lines = [
        f"[clients.{name}]",
        f'sha256 = "{digest}"',
        f"scopes = [{', '.join(f'{chr(34)}{one}{chr(34)}' for one in scope)}]",
        f"expires = {expires:%Y-%m-%dT%H:%M:%SZ}",
    ]
    if rate is not None:
        lines.append(f"requests_per_second = {rate:g}")
    console.print(f"# Give this to {name}, over a safe way; it is not kept:\n# {secret}", soft_wrap=True, markup=False)
    console.print("\n".join(lines), soft_wrap=True, markup=False)
