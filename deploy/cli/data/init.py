"""Owns `headwater init`: a project of the user's own data, by flags, by guesses from column names, and by questions."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.connection import CliError, called, console
from deploy.cli.data.prompts import ask_catalogue, ask_catalogue_file, ask_history, ask_history_files

if TYPE_CHECKING:
    from deploy.dataset.write import CatalogueDraft, HistoryDraft

__all__ = ["init", "register"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(init)


def init(
    directory: Annotated[Path, typer.Argument(help="Of the project; it is made where it is missing.")] = Path("."),
    history: Annotated[
        list[Path] | None, typer.Option(help="CSV, Parquet or JSON lines of what users did; repeat for more files.")
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            help="What the rows of a --history are (impression, click, read, purchase or a name of yours), in the same order."
        ),
    ] = None,
    catalogue: Annotated[Path | None, typer.Option(help="CSV, Parquet or JSON lines of the items.")] = None,
    item_type: Annotated[str, typer.Option(help="What an item is, such as product, article or video.")] = "item",
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column that the name does not tell, such as user_id=member; repeat.", metavar="FIELD=COLUMN"),
    ] = None,
    value_unit: Annotated[str, typer.Option(help="milliseconds, seconds, minutes or hours, of times read or watched.")] = "",
    header: Annotated[bool, typer.Option(help="Whether the first line names the columns; else they are 1, 2, 3, ...")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the flags and the guesses.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a project that is there.")] = False,
) -> None:
    """Make a project of your own data: headwater.toml (what the columns mean) and tasks.toml (what to predict).

    What the flags leave open is guessed from the columns' names and values, and asked where this is a terminal.

    For example: headwater init shop --history clicks.csv --history orders.csv --catalogue products.csv --item-type product
    """
    from deploy.dataset.draft import Declared, declared_of_items, draft_catalogue, draft_history, finish_drafts, known_items
    from deploy.dataset.project import PROJECT_FILE, VALUE_UNITS

    if (directory / PROJECT_FILE).exists() and not force:
        raise CliError(f"{directory / PROJECT_FILE} is there already; edit it, or write over it with --force")
    if value_unit not in VALUE_UNITS:
        raise typer.BadParameter(f"--value-unit {value_unit}: give one of {', '.join(filter(None, VALUE_UNITS))}")
    ask = not yes and sys.stdin.isatty()
    files = list(history or []) or (ask_history_files() if ask else [])
    if not files:
        raise CliError("name a file of what users did: headwater init --history FILE")
    if ask and catalogue is None:
        catalogue = ask_catalogue_file()
    if len(event or []) > len(files):
        raise typer.BadParameter(f"--event is given {len(event or [])} times for {len(files)} --history")
    named = _named(column or [])
    _check_named(named, [*files, *([catalogue] if catalogue else [])], header)
    of_items = named if catalogue is None else declared_of_items(catalogue, files, named, header=header)
    known = frozenset() if catalogue is None else known_items(catalogue, of_items)
    drafts = []
    for file, kind in zip(files, [*(event or []), *[""] * len(files)], strict=False):
        declared = Declared(columns=named, event=kind, value_unit=value_unit)
        if ask:
            declared = ask_history(file, declared, header=header, items=known)
        drafts.append(draft_history(file, declared, header=header, items=known))
    kinds = finish_drafts(drafts)
    items = None if catalogue is None else (ask_catalogue if ask else draft_catalogue)(catalogue, item_type, of_items)
    _write(directory, drafts, items, kinds, force=force)
    _report(directory, drafts, items)


def _write(
    directory: Path,
    drafts: "list[HistoryDraft]",
    items: "CatalogueDraft | None",
    kinds: set[str],
    *,
    force: bool,
) -> None:
    """The project's two files; a tasks file that is there stays, unless `force` says otherwise."""
    from deploy.dataset.project import PROJECT_FILE
    from deploy.dataset.write import project_text, tasks_text

    directory.mkdir(parents=True, exist_ok=True)
    for draft in drafts:
        draft.file = _from(directory, draft.file)
    if items is not None:
        items.file = _from(directory, items.file)
    (directory / PROJECT_FILE).write_text(project_text(drafts, items), encoding="utf-8")
    tasks_file = directory / "tasks.toml"
    if force or not tasks_file.exists():
        timed = all(draft.timed for draft in drafts)
        top = max((draft.rated_up_to for draft in drafts if draft.rated_up_to is not None), default=None)
        tasks_file.write_text(tasks_text(kinds, timed=timed, rated_up_to=top), encoding="utf-8")


def _named(given: list[str]) -> dict[str, str]:
    from deploy.dataset.guesses import FIELDS

    pairs = dict(text.partition("=")[::2] for text in given)
    for name, column in pairs.items():
        if name not in FIELDS or not column:
            raise typer.BadParameter(f"--column {name}={column}: write FIELD=COLUMN, FIELD one of {', '.join(FIELDS)}")
    return pairs


def _check_named(named: Mapping[str, str], files: list[Path], header: bool) -> None:
    from deploy.dataset.guesses import sample

    if named:
        present = {name for file in files for row in sample(file, header=header) for name in row}
        for field, column in named.items():
            if column not in present:
                raise CliError(f"--column {field}={column}: no file has that column; there are {', '.join(sorted(present))}")


def _from(directory: Path, file: Path) -> Path:
    """As the project file should name it: from its own directory where it lies below, else in full."""
    full, root = file.resolve(), directory.resolve()
    return full.relative_to(root) if full.is_relative_to(root) else full


def _report(directory: Path, drafts: "list[HistoryDraft]", items: "CatalogueDraft | None") -> None:
    for draft in drafts:
        _report_columns(draft, " and ".join(sorted(draft.kinds)))
        if not draft.timed:
            console.print("  [yellow]no column looks like a time:[/] its rows count as following each other", soft_wrap=True)
        if draft.sampled_impressions:
            console.print(
                f"  [yellow]nothing says what was shown and passed over:[/] {draft.sampled_impressions} other items stand"
                " in for it; scores then rank well but are no true probabilities"
            )
    if items is not None and items.columns:
        _report_columns(items, f"items of type {items.item_type}")
    cd = "" if directory.resolve() == Path.cwd() else f"cd {directory} && "
    console.print(
        f"Wrote {directory / 'headwater.toml'} and {directory / 'tasks.toml'}. Read both, then: {cd}{called(directory)} check",
        soft_wrap=True,
    )


def _report_columns(draft: "HistoryDraft | CatalogueDraft", holds: str) -> None:
    """What a file is taken to hold, which column is which, and which ones mean nothing to us."""
    found = ", ".join(f"{field} = {column}" for field, column in draft.columns.items())
    console.print(f"{draft.file.name}: {holds}; {found}", soft_wrap=True, markup=False)
    if draft.time_formats:
        console.print(f"  times are read as {' or '.join(draft.time_formats)} too", markup=False)
    if draft.unused:
        console.print(f"  not used: {', '.join(draft.unused)}; if one is, say so by --column FIELD=COLUMN", markup=False)
