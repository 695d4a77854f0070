"""Owns the questions that `headwater init` asks at a terminal; Enter takes the guess, a wrong answer is asked again."""

from collections.abc import Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from deploy.cli.connection import console

if TYPE_CHECKING:
    from deploy.dataset.draft import Declared
    from deploy.dataset.write import CatalogueDraft

__all__ = ["ask_catalogue", "ask_catalogue_file", "ask_history", "ask_history_files"]

_NONE = "-"
_SHOWN = 5
_QUESTIONS = {
    "user_id": "the user's id",
    "item_id": "the item's id",
    "occurred_at": "when it happened",
    "event": f"what happened, such as view or buy ({_NONE} if each row is the same)",
    "title": "the title",
    "text": "more text",
    "categories": "categories",
}
_VALUES = {"read": "how long it was read, watched or played", "rate": "the rating", "purchase": "the amount paid"}
"""What the value column holds, by the event that it goes with."""


def ask_history_files() -> list[Path]:
    """One file of what users did, and more until the answer is empty."""
    first = typer.prompt("File of what users did (CSV, Parquet or JSON lines)", value_proc=_existing)
    files = [Path(first)]
    while answer := typer.prompt("Another one (Enter: no more)", default="", show_default=False, value_proc=_existing):
        files.append(Path(answer))
    return files


def ask_catalogue_file() -> Path | None:
    """The file of the items, if there is one."""
    answer = typer.prompt(
        "File of the items with their titles (Enter: none)", default="", show_default=False, value_proc=_existing
    )
    return Path(answer) if answer else None


def ask_history(file: Path, declared: "Declared", *, header: bool, items: Set[str]) -> "Declared":
    """What the columns of a file of events mean, beginning from what flags say and names and values tell.

    Raises:
        HistoryFileError: the file cannot be read.
    """
    from deploy.dataset.draft import Declared
    from deploy.dataset.guesses import guess_history, guess_names, sample
    from deploy.dataset.project import VALUE_UNITS

    rows = sample(file, header=header)
    guess = guess_history(rows, declared.columns, items)
    likely = guess.columns
    wanted = ("occurred_at",) if declared.event else ("occurred_at", "event")
    columns = _ask_columns(file, rows, likely, needed=("user_id", "item_id"), wanted=wanted)
    event = declared.event
    if not event and not columns["event"]:
        event = typer.prompt("  each row is an impression, click, read, purchase, rate or NAME", default=guess.event or "click")
    kinds = {event} if event else set(guess_names(rows, columns["event"])[0].values())
    if meanings := [meaning for kind, meaning in _VALUES.items() if kind in kinds]:
        needed = bool(kinds & {"read", "rate"})
        question = " or ".join(meanings)
        columns["value"] = _ask_column(rows, likely.get("value"), question, needed=needed)
    unit = declared.value_unit
    if "read" in kinds and not unit:
        units = [name for name in VALUE_UNITS if name]
        unit = typer.prompt(f"  in {', '.join(units)}", default=guess.value_unit or "seconds", value_proc=partial(_one_of, units))
    return Declared(columns={**declared.columns, **columns}, event=event, value_unit=unit)


def ask_catalogue(file: Path, item_type: str, declared: Mapping[str, str]) -> "CatalogueDraft":
    """What the columns of a file of items mean, and what an item is.

    Raises:
        HistoryFileError: the file cannot be read.
    """
    from deploy.dataset.draft import draft_catalogue
    from deploy.dataset.guesses import guess_items, sample

    rows = sample(file)
    columns = dict(declared)
    if not isinstance(rows[0].get("upsert"), dict):
        columns |= _ask_columns(
            file, rows, guess_items(rows, declared), needed=("item_id",), wanted=("title", "text", "categories")
        )
    item_type = typer.prompt("  an item is a (product, article, video, ...)", default=item_type)
    return draft_catalogue(file, item_type, columns)


def _ask_columns(
    file: Path, rows: Sequence[dict[str, Any]], guess: Mapping[str, str], *, needed: Sequence[str], wanted: Sequence[str]
) -> dict[str, str]:
    """Shows the file's columns with their first values, and asks which column holds each field; an empty name is none."""
    from deploy.dataset.evidence import columns_of

    console.print(f"\n[bold]{escape(file.name)}[/] has these columns:")
    for name in columns_of(rows):
        values = list(dict.fromkeys(str(row[name]) for row in rows if row.get(name) not in (None, "")))[:_SHOWN]
        console.print(f"  {name}: {', '.join(values)}", markup=False, no_wrap=True, overflow="ellipsis")
    console.print(f"Which one holds (Enter takes what stands in brackets, {_NONE} is none)", markup=False)
    return {name: _ask_column(rows, guess.get(name), _QUESTIONS[name], needed=name in needed) for name in (*needed, *wanted)}


def _ask_column(rows: Sequence[dict[str, Any]], guess: str | None, question: str, *, needed: bool) -> str:
    """The name of a column; empty for none, where that may be."""
    from deploy.dataset.evidence import columns_of

    choices = [*columns_of(rows), *([] if needed else [_NONE])]
    default = guess if guess in choices else None if needed else _NONE
    answer = typer.prompt(f"  {question}", default=default, value_proc=partial(_one_of, choices))
    return "" if answer == _NONE else str(answer)


def _existing(answer: str) -> str:
    if answer and not Path(answer).expanduser().is_file():
        raise typer.BadParameter(f"{answer} is no file")
    return str(Path(answer).expanduser()) if answer else ""


def _one_of(choices: Sequence[str], answer: str) -> str:
    if answer not in choices:
        raise typer.BadParameter(f"{answer!r} is none of {', '.join(choices)}")
    return answer
