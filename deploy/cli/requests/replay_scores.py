"""`headwater replay-scores`: the scores of an answer that was given, computed again from the log."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from deploy.cli.connection import (
    BootstrapServers,
    CliError,
    DataDir,
    SnapshotDir,
    TasksFile,
    console,
    declared,
    kafka_settings,
    snapshot_store,
)

__all__ = ["register", "replay_scores"]

_TOLERANCE = 1e-4  # relative; sums of float32 in another order


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("replay-scores")(replay_scores)


def replay_scores(
    recommendation_id: Annotated[str, typer.Argument(help="As the info of the answer carried it.")],
    tasks: TasksFile = None,
    bootstrap_servers: BootstrapServers = None,
    snapshot_dir: SnapshotDir = None,
    data_dir: DataDir = None,
) -> None:
    """Score an answer of the past again from the log, and compare.

    From the features as served, the snapshot that scored and the texts of that time. Exit status 1 where scores differ.
    """
    from runtime.broker.rights import COMMANDS

    kafka = kafka_settings(bootstrap_servers, data_dir, COMMANDS["replay-scores"])
    from deploy.evaluation.rescoring import read_texts, score_again
    from deploy.evaluation.served import impressions_of, read_events

    vocabulary, snapshots = declared(tasks, data_dir), snapshot_store(snapshot_dir, data_dir)
    slates = impressions_of(read_events(kafka), recommendation_id)
    if not slates:
        raise CliError(f"the log holds no impression of {recommendation_id}: it was an answer of Score, or has been dropped")
    shown = [event for slate in slates.values() for event in slate]
    first = shown[0].impression.served
    named = {event.item_id for event in shown}.union(*(event.impression.served.history_item_ids for event in shown))
    texts = read_texts(kafka, named, shown[0].occurred_at.ToNanoseconds() / 1e9)
    try:
        found = score_again(shown, vocabulary, snapshots, texts)
    except ValueError as error:
        raise CliError(str(error)) from error
    names = [task.name for task in vocabulary.tasks]
    table = Table("item", *(f"{name}: {what}" for name in names for what in ("answered", "again")))
    for event, answered_T, again_T in zip(shown, found.answered_BT, found.again_BT, strict=True):
        pairs = (value for pair in zip(answered_T, again_T, strict=True) for value in pair)
        table.add_row(escape(event.item_id), *("-" if value != value else f"{value:.5f}" for value in pairs))
    console.print(table)
    console.print(
        f"user {shown[0].user_id}, model {first.model_version or '(none)'}, largest relative difference "
        f"{found.largest_difference:.1e}"
    )
    if found.changed:
        console.print(f"[yellow]texts encoded again since then:[/] {', '.join(sorted(found.changed))}", soft_wrap=True)
    if found.largest_difference > _TOLERANCE:
        why = "; the texts above explain it" if found.changed else ""
        raise CliError(f"the scores come out {found.largest_difference:.1e} off{why}")
