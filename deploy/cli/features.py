"""`headwater features`: the stored features of one user, aged to now."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from deploy.cli.connection import CliError, DataDir, TasksFile, console, declared, store_settings

__all__ = ["features", "register"]

_RECENT = 10


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(features)


def features(user: Annotated[str, typer.Argument(help="User id.")], tasks: TasksFile = None, data_dir: DataDir = None) -> None:
    """Show the stored features of a user.

    Counters by half-life, aged to now, and the items last engaged with. The store is the one that HEADWATER_STORE_* name, else
    the local stack's.
    """
    settings, vocabulary = store_settings(data_dir), declared(tasks, data_dir)
    from feature_repo.counters import HALF_LIFE_NAMES, decay
    from feature_repo.store import RowStore

    row = RowStore(settings, vocabulary).read_users([user]).get(user)
    if row is None:
        raise CliError(f"user {user!r} has no features: no event of that id was folded; look at `headwater topics`")
    if not row.updated_at:
        raise CliError(
            f"user {user!r} was erased on request and has no features: events that occurred until "
            f"{_when(row.barred_until)} UTC are not counted, and none came since"
        )

    counters_CH = row.counters_CH * decay(time.time() - row.updated_at)
    table = Table("counter", *(f"half-life {name}" for name in HALF_LIFE_NAMES[:-1]), "all time")
    for name, values_H in zip(vocabulary.counters, counters_CH, strict=True):
        table.add_row(name.replace("_", " "), *(f"{value:,.2f}" for value in values_H))
    console.print(table)
    if any(task.kind == "duration" for task in vocabulary.tasks):
        console.print("[dim]Sums of durations are sums of ln(1 + seconds).[/]")

    recent = Table("recent item", "when (UTC)", *(task.name for task in vocabulary.tasks))
    for item_id, (at, *labels) in list(zip(row.recent_ids, row.recent_R.tolist(), strict=True))[:_RECENT]:
        displayed = [task.displayed(label) for task, label in zip(vocabulary.tasks, labels, strict=True)]
        recent.add_row(escape(item_id), _when(at), *("-" if label != label else f"{label:,.2f}" for label in displayed))
    console.print(recent)
    console.print(f"first event {_when(row.first_at)}, newest {_when(row.updated_at)} UTC")
    console.print(f"impressions whose labels may still come: {len(row.pending):,}")


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
