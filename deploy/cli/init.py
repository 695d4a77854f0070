"""Owns `headwater init`: a project of the user's own data, by flags, by guesses from column names, and by questions."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.connection import CliError, console

if TYPE_CHECKING:
    from deploy.project.write import CatalogueDraft, HistoryDraft

__all__ = ["draft_history", "finish_drafts", "init", "register"]

_NEEDED = ("user_id", "item_id")
_SAMPLED = 2
_COURSE = ("impression", "click", "purchase")
"""How events of one user and item follow each other where the data has no times; all others come after these."""
_ASKED = {
    "user_id": "the user's id",
    "item_id": "the item's id",
    "occurred_at": "the time",
    "event": "what happened, such as click or purchase",
}
_HISTORY_FIELDS = ("user_id", "item_id", "occurred_at", "event", "value", "event_id", "recommendation_id")
_ITEM_FIELDS = ("item_id", "title", "text", "type", "categories", "language", "published_at")


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

    What the flags leave open is guessed from the columns' names, and asked where this is a terminal.

    For example: headwater init shop --history clicks.csv --history orders.csv --catalogue products.csv --item-type product
    """
    from training.project import PROJECT_FILE, VALUE_UNITS

    if (directory / PROJECT_FILE).exists() and not force:
        raise CliError(f"{directory / PROJECT_FILE} is there already; edit it, or write over it with --force")
    if value_unit not in VALUE_UNITS:
        raise typer.BadParameter(f"--value-unit {value_unit}: give one of {', '.join(filter(None, VALUE_UNITS))}")
    ask = not yes and sys.stdin.isatty()
    files = list(history or []) or _asked_history(ask)
    if len(event or []) > len(files):
        raise typer.BadParameter(f"--event is given {len(event or [])} times for {len(files)} --history")
    named = _named(column or [])
    _check_named(named, [*files, *([catalogue] if catalogue else [])], header)
    events = [*(event or []), *[""] * len(files)]
    found = [
        draft_history(file, event=said, named=named, value_unit=value_unit, header=header, ask=ask)
        for file, said in zip(files, events, strict=False)
    ]
    drafts = [draft for draft, _ in found]
    kinds = finish_drafts(drafts)
    catalogue = catalogue or (_asked_catalogue() if ask else None)
    items = None if catalogue is None else _catalogue(catalogue, item_type, named)
    top = max((highest for _, highest in found if highest is not None), default=None)
    _write(directory, drafts, items, kinds, rated_up_to=top, force=force)
    _report(directory, drafts)


def _asked_history(ask: bool) -> list[Path]:
    if not ask:
        raise CliError("name a file of what users did: headwater init --history FILE")
    return [Path(typer.prompt("File of what users did (CSV, Parquet or JSON lines)", value_proc=_existing))]


def _asked_catalogue() -> Path | None:
    asked = "File of the items with their titles (empty for none)"
    answer = typer.prompt(asked, default="", show_default=False, value_proc=_existing)
    return Path(answer) if answer else None


def _write(
    directory: Path,
    drafts: "list[HistoryDraft]",
    items: "CatalogueDraft | None",
    kinds: set[str],
    *,
    rated_up_to: float | None,
    force: bool,
) -> None:
    """The project's two files; a tasks file that is there stays, unless `force` says otherwise."""
    from deploy.project.write import project_text, tasks_text
    from training.project import PROJECT_FILE

    directory.mkdir(parents=True, exist_ok=True)
    for draft in drafts:
        draft.file = _from(directory, draft.file)
    if items is not None:
        items.file = _from(directory, items.file)
    (directory / PROJECT_FILE).write_text(project_text(drafts, items), encoding="utf-8")
    tasks_file = directory / "tasks.toml"
    if force or not tasks_file.exists():
        timed = all(draft.timed for draft in drafts)
        tasks_file.write_text(tasks_text(kinds, timed=timed, rated_up_to=rated_up_to), encoding="utf-8")


def _existing(answer: str) -> str:
    """The answer, which is asked for again where no such file is there."""
    if answer and not Path(answer).is_file():
        raise typer.BadParameter(f"{answer} is no file")
    return answer


def _one_of(choices: list[str], answer: str) -> str:
    if answer not in choices:
        raise typer.BadParameter(f"{answer!r} is none of {', '.join(choices)}")
    return answer


def _named(given: list[str]) -> dict[str, str]:
    from deploy.project.guess import FIELDS

    pairs = dict(text.partition("=")[::2] for text in given)
    for name, column in pairs.items():
        if name not in FIELDS or not column:
            raise typer.BadParameter(f"--column {name}={column}: write FIELD=COLUMN, FIELD one of {', '.join(FIELDS)}")
    return pairs


def _check_named(named: Mapping[str, str], files: list[Path], header: bool) -> None:
    from deploy.project.guess import sample

    if named:
        present = {name for file in files for row in sample(file, header=header) for name in row}
        for field, column in named.items():
            if column not in present:
                raise CliError(f"--column {field}={column}: no file has that column; there are {', '.join(sorted(present))}")


def finish_drafts(drafts: "list[HistoryDraft]") -> set[str]:
    """All events that the files hold; where none says what was shown, sampled impressions are set to stand in.

    Files without times are put in the order in which things happen: rows of one user and item follow in the order of their files.
    """
    if not all(draft.timed for draft in drafts):
        drafts.sort(key=_course)
    kinds: set[str] = set().union(*(draft.kinds for draft in drafts))
    if "impression" not in kinds and kinds - {"read", "rate"}:
        for draft in drafts:
            draft.sampled_impressions = _SAMPLED if draft.kinds - {"read", "rate"} else 0
        kinds.add("impression")
    return kinds


def _course(draft: "HistoryDraft") -> int:
    return min(_COURSE.index(kind) if kind in _COURSE else len(_COURSE) for kind in draft.kinds or {""})


def draft_history(
    file: Path,
    *,
    event: str = "",
    named: Mapping[str, str] = MappingProxyType({}),
    value_unit: str = "",
    header: bool = True,
    ask: bool = False,
) -> "tuple[HistoryDraft, float | None]":
    """What a file of events holds by what is said and guessed, and its highest rating.

    Raises:
        CliError: a column that is needed is not found; the message lists those that there are.
    """
    from deploy.project.guess import guess_history, guess_names, sample
    from deploy.project.write import HistoryDraft

    rows = sample(file, header=header)
    present = list(dict.fromkeys(name for row in rows for name in row))
    guess = guess_history(rows)
    columns = {**guess.columns, **{field: column for field, column in named.items() if column in present}}
    columns = {field: column for field, column in columns.items() if field in _HISTORY_FIELDS}
    for field in (*_NEEDED, "occurred_at", *(() if event else ("event",))):
        if ask:
            optional = field not in _NEEDED
            answer = typer.prompt(
                f"{file.name}: which column holds {_ASKED[field]}? (of {', '.join(present)}{'; - for none' if optional else ''})",
                default=columns.get(field, "-" if optional else None),
                value_proc=partial(_one_of, [*present, "-"] if optional else present),
            )
            columns.pop(field, None)
            if answer != "-":
                columns[field] = answer
        if field in columns and columns[field] not in present:
            raise CliError(f"{file} has no column {columns[field]!r}; it has {', '.join(present)}")
        if field in _NEEDED and field not in columns:
            raise CliError(
                f"{file}: no column looks like {field}; say which it is: --column {field}=COLUMN, of {', '.join(present)}"
            )
    if event:
        columns.pop("event", None)
    elif "event" not in columns:
        event = typer.prompt(f"{file.name}: what is each row?", default=guess.event) if ask else guess.event
    names = {} if event else guess_names(rows, columns["event"])[0]
    draft = HistoryDraft(file=file, header=header, columns=columns, event=event, names=names, timed="occurred_at" in columns)
    if "read" in draft.kinds:
        if "value" not in columns:
            raise CliError(
                f"{file}: no column looks like the time read; say which: --column value=COLUMN, of {', '.join(present)}"
            )
        draft.value_unit = value_unit or guess.value_unit
    elif draft.kinds <= {"click", "impression"}:
        columns.pop("value", None)
    return draft, _highest(rows, columns.get("value")) if "rate" in draft.kinds else None


def _catalogue(file: Path, item_type: str, named: dict[str, str]) -> "CatalogueDraft":
    from deploy.project.guess import guess_fields, sample
    from deploy.project.write import CatalogueDraft

    rows = sample(file)
    if isinstance(rows[0].get("upsert"), dict):
        return CatalogueDraft(file=file, item_type=item_type, columns={})
    present = list(dict.fromkeys(name for row in rows for name in row))
    said = {field: column for field, column in named.items() if column in present and field in _ITEM_FIELDS}
    columns = {**guess_fields(rows, _ITEM_FIELDS), **said}
    if "item_id" not in columns:
        raise CliError(f"{file}: no column looks like item_id; say which it is: --column item_id=COLUMN, of {', '.join(present)}")
    return CatalogueDraft(file=file, item_type=item_type, columns=columns)


def _highest(rows: list[dict[str, Any]], column: str | None) -> float | None:
    values = []
    for row in rows:
        try:
            values.append(float(row[column or ""]))
        except (KeyError, TypeError, ValueError):
            continue
    return max(values, default=None)


def _from(directory: Path, file: Path) -> Path:
    """As the project file should name it: from its own directory where it lies below, else in full."""
    full, root = file.resolve(), directory.resolve()
    return full.relative_to(root) if full.is_relative_to(root) else full


def _report(directory: Path, drafts: "list[HistoryDraft]") -> None:
    for draft in drafts:
        found = ", ".join(f"{field} = {column}" for field, column in draft.columns.items())
        console.print(f"{draft.file.name}: {' and '.join(sorted(draft.kinds))}; {found}", soft_wrap=True)
        if not draft.timed:
            console.print("  [yellow]no column looks like a time:[/] its rows count as following each other", soft_wrap=True)
        if draft.sampled_impressions:
            console.print(
                f"  [yellow]nothing says what was shown and passed over:[/] {draft.sampled_impressions} other items stand"
                " in for it; scores then rank well but are no true probabilities",
                soft_wrap=True,
            )
    cd = "" if directory.resolve() == Path.cwd() else f"cd {directory} && "
    console.print(
        f"Wrote {directory / 'headwater.toml'} and {directory / 'tasks.toml'}. Read both, then: {cd}headwater check",
        soft_wrap=True,
    )
