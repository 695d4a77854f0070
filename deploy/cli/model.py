"""`headwater model`: the published snapshots, what one is made of, going back and on, and the challenger."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from deploy.cli.connection import CliError, DataDir, SnapshotDir, console, snapshot_store
from deploy.local.state import find_running

if TYPE_CHECKING:
    from training.release.promotion import PromotionNotes

__all__ = ["register"]

_group = typer.Typer(help="Look at published model snapshots, roll back, or promote a challenger.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the group of commands to the application."""
    app.add_typer(_group, name="model")


@_group.command("list")
def list_(snapshot_dir: SnapshotDir = None, data_dir: DataDir = None) -> None:
    """List the snapshots that are held; the one that serves is marked. `model show` prints everything about one."""
    from training.storage.snapshots import version_name

    store = snapshot_store(snapshot_dir, data_dir)
    current, mark = store.current(), "held" if store.held() else "serves"
    manifests = store.list()
    tasks = sorted({task for manifest in manifests for task in manifest.metrics})
    table = Table("", "version", "published (UTC)", "examples", *tasks)
    for manifest in manifests:
        cells = [_headline(manifest.metrics.get(task, {})) for task in tasks]
        serves = mark if manifest.version == current else ""
        when = f"{datetime.fromtimestamp(manifest.created_at, UTC):%m-%d %H:%M:%S}"
        table.add_row(serves, version_name(manifest.version), when, f"{manifest.examples:,}", *cells)
    console.print(table)


@_group.command()
def show(
    version: Annotated[str, typer.Argument(help="Such as v00000012 or 12; else the one that serves.")] = "",
    snapshot_dir: SnapshotDir = None,
    data_dir: DataDir = None,
) -> None:
    """Show what one snapshot is: its tasks, shape, encoder, parent and metrics."""
    import msgspec

    store = snapshot_store(snapshot_dir, data_dir)
    number = _number(version) if version else store.current()
    if number is None:
        raise CliError(f"{store.location} holds no snapshot yet; the learner publishes one after the first examples")
    console.print_json(msgspec.json.encode(store.manifest(number)).decode())


@_group.command()
def rollback(
    version: Annotated[str, typer.Argument(help="Such as v00000012 or 12; else the one before the current.")] = "",
    snapshot_dir: SnapshotDir = None,
    data_dir: DataDir = None,
) -> None:
    """Let an earlier snapshot serve again and hold it; servers take it up within seconds.

    The learner goes on publishing, but nothing new serves until `headwater model release`.
    """
    from training.storage.snapshots import version_name

    manifest = snapshot_store(snapshot_dir, data_dir).rollback(_number(version) if version else None)
    console.print(f"{version_name(manifest.version)} serves and is held; `headwater model release` lets the newest serve again")


@_group.command()
def release(snapshot_dir: SnapshotDir = None, data_dir: DataDir = None) -> None:
    """End what `rollback` holds: the newest snapshot serves, and those to come."""
    from training.storage.snapshots import version_name

    manifest = snapshot_store(snapshot_dir, data_dir).release()
    console.print(f"{version_name(manifest.version)} serves from now on, and so will each one that is published")


@_group.command()
def compare(snapshot_dir: SnapshotDir = None, data_dir: DataDir = None) -> None:
    """Compare the challenger with the champion, on the same examples, each predicted before it was learned from."""
    standing = _notes(snapshot_dir, data_dir).standing()
    table = Table("task", "labels", "champion's loss", "challenger's loss", "gain", "standard errors")
    for task, found in standing.comparisons.items():
        gain = 1.0 - found["challenger"] / found["champion"] if found["champion"] else 0.0
        losses = (f"{found[which]:.4f}" for which in ("champion", "challenger"))
        table.add_row(task, f"{found['labels']:,.0f}", *losses, f"{gain:+.2%}", f"{found['standard_errors']:+.1f}")
    console.print(table)


@_group.command()
def promote(snapshot_dir: SnapshotDir = None, data_dir: DataDir = None) -> None:
    """Make the challenger champion: its weights serve once the learner next publishes; the champion goes on as challenger."""
    standing = _notes(snapshot_dir, data_dir).request()
    console.print(f"asked for promotion {standing.promotions + 1}; the learner meets it when it next publishes")
    console.print(f"champion to be: {standing.challenger}", soft_wrap=True, markup=False)


def _headline(metrics: Mapping[str, float | None]) -> str:
    """The one figure that says most about a task: AUC where there is one, else the error."""
    for name, title in (("auc", "AUC"), ("rmse", "RMSE")):
        if (value := metrics.get(name)) is not None:
            return f"{title} {value:.3f}"
    return "-"


def _notes(snapshot_dir: str | None, data_dir: Path | None) -> "PromotionNotes":
    from training.release.promotion import PromotionNotes

    return PromotionNotes(str(snapshot_dir or find_running(data_dir).snapshot_dir))


def _number(text: str) -> int:
    digits = text.removeprefix("v")
    if not digits.isdigit():
        raise typer.BadParameter(f"{text!r} is no version; write v00000012 or 12")
    return int(digits)
