"""Owns `headwater check`: what a project's files hold, which rows cannot be used and why, and what will be learned."""

import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from deploy.cli.connection import CliError, called, console

if TYPE_CHECKING:
    from deploy.dataset.project import Project
    from deploy.dataset.sources import SourcesRead

__all__ = ["check", "register"]

_KINDS_SHOWN = 8
_HOUR = 3600.0
_MANY = 0.1
_ENCODER = "HEADWATER_ENCODER"


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(check)


def check(
    file: Annotated[
        Path | None, typer.Argument(help="A data file, a project's directory or its headwater.toml; else the project here.")
    ] = None,
    tasks: Annotated[
        Path | None, typer.Option(envvar="HEADWATER_TASKS_FILE", help="TOML file of what to predict; else the project's.")
    ] = None,
) -> None:
    """Say what recorded data holds: rows that would be rejected and why, labels and rates, and what will be learned.

    A data file alone is read as `headwater init` would guess it. Exit status 1 where nothing could be learned.
    """
    from deploy.dataset.check import LABELLED_EVENTS, find_labels
    from deploy.dataset.sources import read_sources
    from feature_repo.tasks import load_tasks, parse_tasks
    from feature_repo.vocabulary import Vocabulary

    project, guessed = _project(file)
    declared = parse_tasks(guessed) if tasks is None and guessed is not None else load_tasks(tasks or project.tasks)
    with console.status("reading"):
        read = read_sources(project, now=time.time())
    if project.simulate is not None:
        console.print(f"[yellow]Synthetic:[/] made as {project.simulate.catalogue.name} says; no real users, no real items")
    _print_files(read)
    if not read.events:
        raise CliError("not one row can be used; see above, and mend the columns in headwater.toml")
    _print_contents(read, titles=project.catalogue is not None or project.simulate is not None)
    _print_script(read, project)
    with console.status("looking for labels"):
        findings = find_labels(Vocabulary(declared), read.events)
    table = Table("task", "kind", "event", "labels", "rate or mean", "will it be learned?")
    for found in findings:
        task = found.task
        level = "-" if math.isnan(found.mean) else f"{found.mean:.1%}" if task.kind == "binary" else _mean(task.kind, found.mean)
        verdict = "[green]yes[/]" if found.problem is None else f"[yellow]{escape(found.problem)}[/]"
        table.add_row(task.name, task.kind, task.event, f"{found.labels:,}", level, verdict)
    console.print(table)
    if len(read.events) > LABELLED_EVENTS:
        console.print(f"[dim]Labels are those of the first {LABELLED_EVENTS:,} events.[/]")
    if all(found.labels == 0 or (found.problem or "").startswith("no ") for found in findings):
        raise CliError("nothing would be learned; see the last column, and docs/guides/your-data.md")
    if guessed is None:
        home = Path() if file is None else file if file.is_dir() else file.parent
        cd, program = "" if home == Path() else f"cd {home} && ", called(home)
        console.print(f"Next: `{cd}{program} replay` learns from it and judges itself; `{program} up` serves it.", soft_wrap=True)
    else:
        console.print(f"Next: `{called()} init DIRECTORY --history {file}` makes a project of it.", soft_wrap=True)


def _project(file: Path | None) -> "tuple[Project, str | None]":
    """The project to check, and for a lone data file the tasks that init would write for it."""
    from deploy.dataset.project import PROJECT_FILE, Project, load_project

    if file is None:
        if not Path(PROJECT_FILE).is_file():
            raise CliError(f"there is no {PROJECT_FILE} here; make one with `headwater init`, or name a file to check")
        return load_project(Path(PROJECT_FILE)), None
    if not file.exists():
        raise CliError(f"{file}: there is no such file or directory")
    if file.is_dir() or file.suffix == ".toml":
        return load_project(file), None
    from deploy.dataset.draft import draft_history, finish_drafts
    from deploy.dataset.project import parse_project
    from deploy.dataset.write import project_text, tasks_text

    drafts = [draft_history(file)]
    kinds = finish_drafts(drafts)
    project: Project = parse_project(project_text(drafts, None), root=Path.cwd())
    for draft in drafts:
        guess = ", ".join(f"{field} = {column}" for field, column in draft.columns.items())
        console.print(f"Read as {' and '.join(sorted(draft.kinds))}; {guess}", soft_wrap=True, markup=False)
    return project, tasks_text(kinds, timed=drafts[0].timed, rated_up_to=drafts[-1].rated_up_to)


def _print_files(read: "SourcesRead") -> None:
    if not read.rejects:
        return
    table = Table("file", "rows", "rejected")
    for name, rejects in read.rejects.items():
        count = sum(rejects.counts.values())
        table.add_row(escape(name), f"{rejects.rows:,}", f"[red]{count:,}[/]" if count else "0")
    console.print(table)
    for name, rejects in read.rejects.items():
        for kind, count in rejects.counts.most_common(_KINDS_SHOWN):
            console.print(f"[red]{escape(name)}: {_rows(count)}:[/] {escape(kind)}", soft_wrap=True)
            for example in rejects.examples[kind]:
                console.print(f"  {escape(example)}", style="dim", soft_wrap=True)
        if rejects.repeats:
            console.print(
                f"[yellow]{escape(name)}: rows that repeat an earlier one, its time too: {rejects.repeats:,};[/] each counts:"
                " take them out if they are mistakes, or name a column of event ids",
                soft_wrap=True,
            )


def _print_contents(read: "SourcesRead", *, titles: bool) -> None:
    from deploy.dataset.sources import OLD_SECONDS
    from feature_repo.decoded_event import IMPRESSION

    events = read.events
    users = len({event.user_id for event in events})
    known = {item.item_id for item in read.items}
    acted = [event.item_id for event in events if event.kind != IMPRESSION]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in read.kinds.most_common())
    console.print(
        f"{kinds}; {users:,} users, {len(set(acted)):,} items acted on, {len(known):,} in the catalogue", soft_wrap=True
    )
    made = sum(event.kind == IMPRESSION for event in events) - read.kinds[IMPRESSION]
    if made:
        console.print(f"{made:,} impressions are implied or sampled, as headwater.toml says")
    if read.timed:
        span = [time.strftime("%Y-%m-%d", time.gmtime(math.ceil(event.at))) for event in (events[0], events[-1])]
        old = time.time() - events[-1].at > OLD_SECONDS
        console.print(f"from {span[0]} to {span[1]}{'; `headwater up` moves all times, to end now' if old else ''}")
    missing = sum(item not in known for item in acted)
    if missing:
        console.print(
            f"[yellow]{missing:,} of {len(acted):,} actions ({missing / len(acted):.0%}) are on items that the catalogue "
            "lacks:[/] they have no text and cannot be recommended",
            soft_wrap=True,
        )
    if not titles:
        console.print(
            "[yellow]No catalogue:[/] nothing says what the items are called, and new ones cannot be told apart; "
            "`headwater init` takes a file of them as --catalogue",
            soft_wrap=True,
        )
        return
    titled = sum(bool(item.title or item.text) for item in read.items)
    if titled < len(read.items):
        console.print(
            f"[yellow]{len(read.items) - titled:,} of {len(read.items):,} items have neither title nor text:[/] name the columns "
            "in headwater.toml, [catalogue.columns]".replace("[catalogue.columns]", "\\[catalogue.columns]"),
            soft_wrap=True,
        )


def _print_script(read: "SourcesRead", project: "Project") -> None:
    """Warns where the built-in encoder is to read what is not written in its letters."""
    if _ENCODER in project.settings or os.environ.get(_ENCODER):
        return
    foreign = sum(not any(letter.isascii() for letter in item.title if letter.isalpha()) for item in read.items if item.title)
    if foreign > len(read.items) * _MANY:
        console.print(
            f"[yellow]{foreign:,} of {len(read.items):,} titles are not in Latin letters:[/] the built-in encoder reads English"
            f" and makes little of them; name a multilingual one as {_ENCODER} in headwater.toml (docs/guides/encoders.md)",
            soft_wrap=True,
        )


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _mean(kind: str, mean: float) -> str:
    if kind != "duration":
        return f"{mean:.2f}"
    seconds = math.expm1(mean)
    return f"{seconds:,.0f} s (geometric)" if seconds < _HOUR else f"{seconds / _HOUR:,.1f} h (geometric)"
