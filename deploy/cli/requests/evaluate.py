"""`headwater evaluate`: what another ranking would have earned, from lists of the log that were drawn at random."""

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from deploy.cli.connection import BootstrapServers, CliError, DataDir, TasksFile, console, declared, kafka_settings
from deploy.cli.requests.ask import weight_of

if TYPE_CHECKING:
    from training.metrics.lists import Estimate

__all__ = ["evaluate", "register"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(evaluate)


def evaluate(
    task: Annotated[str, typer.Argument(help="Task whose events are the reward, such as click.")],
    weight: Annotated[
        list[str] | None, typer.Option(help="TASK=WEIGHT of the ranking to judge, repeatable; else those of the tasks file.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="Of the ranking to judge; 0 always shows the best.", show_default=True)
    ] = 0.0,
    tasks: TasksFile = None,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """Estimate from the log what a ranking by other task weights would earn.

    It needs lists that were asked for with exploration. Where the estimates disagree beyond their errors, trust none of them.
    """
    from runtime.broker.rights import COMMANDS

    kafka = kafka_settings(bootstrap_servers, data_dir, COMMANDS["evaluate"])
    from deploy.evaluation.explored import explored_lists
    from deploy.evaluation.served import read_events
    from serving.api.errors import InvalidRequest
    from serving.api.validation import Limits
    from training.metrics.off_policy import evaluate as judge

    vocabulary = declared(tasks, data_dir)
    limits = Limits(tasks=vocabulary.tasks)
    try:
        [column] = limits.columns([task])
        weights_T = limits.weights(dict(map(weight_of, weight or [])))
    except InvalidRequest as error:
        raise CliError(str(error)) from error
    rewarded = vocabulary.tasks[column]
    found = explored_lists(read_events(kafka), vocabulary, rewarded, weights_T=weights_T, now=time.time())
    for why, count in found.passed_over.most_common():
        console.print(f"[yellow]{count:,} lists passed over:[/] {why}")
    if not found.lists:
        raise CliError("the log holds no list to judge by: ask some of them with exploration.temperature, and wait for actions")
    judged = judge(found.lists, temperature=temperature)
    unit = f"{task} a list" if rewarded.kind == "binary" else f"value of {rewarded.event} a list"
    table = Table("", unit, "standard error")
    rows: list[tuple[str, Estimate | None]] = [
        ("earned by the lists of the log", judged.logged),
        ("judged ranking, IPS", judged.ips),
        ("judged ranking, SNIPS", judged.snips),
        ("judged ranking, doubly robust", judged.doubly_robust),
    ]
    for name, estimate in rows:
        cells = ("-", "-") if estimate is None else (f"{estimate.value:.4f}", f"{estimate.error:.4f}")
        table.add_row(name, *cells)
    console.print(table)
    console.print(f"from {judged.lists:,} lists, worth {judged.effective_lists:,.0f} of the judged ranking's own")
