"""`headwater topics`: what the event log holds, how its topics are configured, and creating them."""

from typing import Annotated

import typer
from rich.table import Table

from deploy.cli.connection import BootstrapServers, CliError, DataDir, console, kafka_settings

__all__ = ["register", "topics"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(topics)


def topics(
    create: Annotated[bool, typer.Option("--create", help="Create the topics that are missing first.")] = False,
    partitions: Annotated[int, typer.Option(min=1, help="With --create: of topics whose order over all keys is free.")] = 4,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """List Headwater's topics as the broker has them: records and configuration.

    What is wrong is marked with `!` and explained below, with the command that corrects it. Exit status 1 then.
    """
    from runtime.broker.rights import COMMANDS
    from runtime.broker.topic_config import retention
    from runtime.topics import describe, ensure_topics

    settings = kafka_settings(bootstrap_servers, data_dir, COMMANDS["topics"])
    if create:
        made = ensure_topics(settings, partitions=partitions)
        console.print(f"created: {', '.join(made) or 'none, all of them exist'}")
    states = describe(settings)
    table = Table("topic", "partitions", "records", "copies", "in sync", "clean-up", "kept", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for state in states:
        config, wrong = state.config, {fault.setting for fault in state.faults}
        cells = {
            "partitions": str(config.partitions),
            "records": f"{state.records:,}",
            "replication.factor": str(config.replication_factor),
            "min.insync.replicas": "?" if config.min_insync_replicas is None else str(config.min_insync_replicas),
            "cleanup.policy": "?" if config.cleanup_policy is None else ",".join(sorted(config.cleanup_policy)),
            "retention.ms": "by key" if config.cleanup_policy == frozenset({"compact"}) else retention(config),
        }
        table.add_row(
            state.name,
            *(f"[bold red]{text} ![/]" if setting in wrong else text for setting, text in cells.items()),
        )
    console.print(table)
    found = [(state.name, fault) for state in states for fault in state.faults]
    for name, fault in found:
        console.print(f"\n[bold red]![/] {name}: {fault.text}", soft_wrap=True)
        console.print(f"  {fault.fix}", markup=False, soft_wrap=True)
    if found:
        raise CliError(f"{len(found)} settings of topics are wrong; the commands above correct them")
