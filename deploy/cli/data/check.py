"""`headwater check`: what a project's files hold, which rows cannot be used and why, and what will be learned."""

import glob
import math
import random
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from deploy.cli.connection import CliError, called, console
from deploy.cli.data.contents import print_contents, print_files
from deploy.observe.progress import progress, tracked

if TYPE_CHECKING:
    from deploy.dataset.check import TaskFindings
    from deploy.dataset.leak_test import ShuffledAuc
    from deploy.dataset.project import Project
    from feature_repo.decoded_event import DecodedEvent

__all__ = ["check", "register"]

_HOUR = 3600.0


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(check)


def check(
    file: Annotated[
        str | None, typer.Argument(help="A table of data, a project's directory or its headwater.toml; else the project here.")
    ] = None,
    tasks: Annotated[
        Path | None, typer.Option(envvar="HEADWATER_TASKS_FILE", help="TOML file of what to predict; else the project's.")
    ] = None,
) -> None:
    """Say what recorded data holds: rows that would be rejected and why, labels and rates, and what will be learned.

    A data file alone is read as `headwater init` would guess it. Exit status 1 where nothing could be learned.
    """
    from deploy.dataset.check import LABELLED_EVENTS, find_labels
    from deploy.dataset.leak_test import LEAK_ROWS, leak_test
    from deploy.dataset.sources import Sources
    from feature_repo.decoded_event import IMPRESSION
    from feature_repo.tasks import load_tasks, parse_tasks
    from feature_repo.vocabulary import Vocabulary

    project, guessed = _project(file)
    declared = parse_tasks(guessed) if tasks is None and guessed is not None else load_tasks(tasks or project.tasks)
    with progress("reading", console) as told:
        sources = Sources(project, now=time.time(), rng=random.Random(0), progress=told.rows)
        read = sources.read()
    if project.simulate is not None:
        console.print(f"[yellow]Synthetic:[/] made as {project.simulate.catalogue.name} says; no real users, no real items")
    print_files(read)
    if not read.events:
        raise CliError("not one row can be used; see above, and correct the columns in headwater.toml")
    print_contents(read, project)
    total = min(len(read.events), LABELLED_EVENTS)
    events = tracked(read.events[:total], total=total, what="looking for labels", console=console)
    vocabulary = Vocabulary(declared)
    findings = find_labels(vocabulary, events)
    table = Table("task", "kind", "event", "labels", "positives", "rate or mean", "will it be learned?")
    for found in findings:
        task = found.task
        level = "-" if math.isnan(found.mean) else f"{found.mean:.1%}" if task.kind == "binary" else _mean(task.kind, found.mean)
        verdict = "[green]yes[/]" if found.problem is None else f"[yellow]{escape(found.problem)}[/]"
        positives = "-" if found.positives is None else f"{found.positives:,}"
        table.add_row(task.name, task.kind, task.event, f"{found.labels:,}", positives, level, verdict)
    console.print(table)

    def watched(events: "Sequence[DecodedEvent]") -> "Iterable[DecodedEvent]":
        return tracked(events, total=len(events), what="leak test", console=console)

    if len(project.history) == 1:
        made, listed = sources.shuffled(random.Random(0), rows=LEAK_ROWS)
        _print_leaks(leak_test(vocabulary, read.items, made, listed=listed, watched=watched))
    else:  # what is in one of them and not in another tells their labels apart, however they are shuffled
        console.print("[dim]No leak test: labels are shuffled in a history of one table alone.[/]")
    learned = {task.event for task in declared}
    for kind, count in read.kinds.most_common():
        if kind not in learned and kind != IMPRESSION:
            console.print(
                f'[yellow]no task learns from {count:,} {escape(kind)}:[/] add a task with event = "{escape(kind)}", or '
                "rename it in \\[history.names]",
                soft_wrap=True,
            )
    for found in findings:
        if found.outside:
            _print_outside(found)
    if len(read.events) > LABELLED_EVENTS:
        console.print(f"[dim]Labels are those of the first {LABELLED_EVENTS:,} events.[/]")
    if all(found.labels == 0 or (found.problem or "").startswith("no ") for found in findings):
        raise CliError("nothing would be learned; see the last column, and docs/guides/your-data.md")
    if guessed is None:
        home = Path() if file is None else Path(file) if Path(file).is_dir() else Path(file).parent
        cd, program = "" if home == Path() else f"cd {home} && ", called(home)
        console.print(f"Next: `{cd}{program} replay` learns from it and judges itself; `{program} up` serves it.", soft_wrap=True)
    else:
        console.print(f"Next: `{called()} init DIRECTORY --history {file}` makes a project of it.", soft_wrap=True)


def _project(file: str | None) -> "tuple[Project, str | None]":
    """The project to check, and for a lone data file the tasks that init would write for it."""
    from deploy.dataset.files.locations import is_address
    from deploy.dataset.project import PROJECT_FILE, Project, load_project

    if file is None:
        if not Path(PROJECT_FILE).is_file():
            raise CliError(
                f"there is no {PROJECT_FILE} here ({Path.cwd()}); make one with `headwater init`, or name a file to check"
            )
        return load_project(Path(PROJECT_FILE)), None
    path = Path(file)
    if not is_address(file) and ((path / PROJECT_FILE).is_file() or path.suffix == ".toml"):
        return load_project(path), None
    if not is_address(file) and not path.exists() and not glob.has_magic(file):
        raise CliError(f"{file}: there is no such file or directory, so neither a project nor data to check")
    from deploy.dataset.files import Source
    from deploy.dataset.guess.draft import draft_history, finish_drafts
    from deploy.dataset.guess.profile import profile
    from deploy.dataset.project import parse_project
    from deploy.dataset.write import project_text, tasks_text

    with progress("reading", console) as told:
        table = profile(Source(location=file), told.rows)
    drafts = [draft_history(table)]
    kinds = finish_drafts(drafts)
    project: Project = parse_project(project_text(drafts, None), root=Path.cwd())
    for draft in drafts:
        guess = ", ".join(f"{field} = {column}" for field, column in {**draft.columns, **draft.outcomes}.items())
        console.print(f"Read as {' and '.join(sorted(draft.kinds))}; {guess}", soft_wrap=True, markup=False)
        for note in draft.notes[len(table.notes) :]:  # those of the reader follow with its rows
            console.print(note, style="yellow", soft_wrap=True, markup=False)
    return project, tasks_text(kinds, timed=drafts[0].timed, rated_up_to=drafts[-1].rated_up_to)


def _print_outside(found: "TaskFindings") -> None:
    """Says how many values lie outside a task's range and what becomes of them."""
    task, name = found.task, found.task.name
    where = "its declared range" if task.ranged else "the usual ones"
    fate = "those events are refused" if task.outside == "refuse" else "each counts as the nearest within"
    hint = "" if task.ranged else "; declare `min` and `max` in the tasks file if they are right"
    console.print(f"[yellow]{name}:[/] {found.outside:,} values lie far outside {where}; {fate}{hint}.", soft_wrap=True)


def _print_leaks(found: "Sequence[ShuffledAuc]") -> None:
    """Says of each binary task how well its shuffled labels were told."""
    for one in found:
        where = "within lists" if one.listed else "over users and times"
        figure = f"{escape(one.task.name)} has an AUC of {one.auc.value:.3f} ± {one.auc.stated:.3f}"
        if one.leaks:
            console.print(
                f"[red]Leak test failed:[/] with labels shuffled {where}, {figure}, where 0.5 is right. Do not believe figures "
                "of this data yet: do times differ between what was taken and what was passed over? If not, the import "
                "is at fault: please report it with a part of the file.",
                soft_wrap=True,
            )
        elif one.enough:
            console.print(f"Leak test passed: with labels shuffled {where}, {figure}; 0.5 is right.", soft_wrap=True)
        else:
            console.print(f"[dim]No leak test of {escape(one.task.name)}: too few labels of either kind.[/]", soft_wrap=True)


def _mean(kind: str, mean: float) -> str:
    if kind != "duration":
        return f"{mean:.2f}"
    seconds = math.expm1(mean)
    return f"{seconds:,.0f} s (geometric)" if seconds < _HOUR else f"{seconds / _HOUR:,.1f} h (geometric)"
