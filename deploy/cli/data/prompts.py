"""The questions that `headwater init` asks at a terminal; Enter takes the guess, a wrong answer is asked again."""

from collections.abc import Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from deploy.cli.connection import console

if TYPE_CHECKING:
    from datetime import tzinfo

    from deploy.dataset.guess.draft import Declared
    from deploy.dataset.guess.profile import Profile
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


def ask_history_files() -> list[str]:
    """One file of what users did, and more until the answer is empty."""
    first = typer.prompt("File of what users did (CSV, Parquet or JSON lines)", value_proc=_existing)
    files = [str(first)]
    while answer := typer.prompt("Another one (Enter: no more)", default="", show_default=False, value_proc=_existing):
        files.append(str(answer))
    return files


def ask_catalogue_file() -> str | None:
    """The file of the items, if there is one."""
    answer = typer.prompt(
        "File of the items with their titles (Enter: none)", default="", show_default=False, value_proc=_existing
    )
    return str(answer) if answer else None


def ask_history(profile: "Profile", declared: "Declared", *, items: Set[str], zone: "tzinfo") -> "Declared":
    """What the columns of a file of events mean, beginning from what flags say and names and values tell."""
    from deploy.dataset.files import HistoryFileError
    from deploy.dataset.guess.draft import Declared, draft_history
    from deploy.dataset.guess.forms import plain_events
    from deploy.dataset.guess.names import names_of_events, unit_called
    from deploy.dataset.project import VALUE_UNITS

    try:
        draft = draft_history(profile, declared, items=items, zone=zone)
        if draft.form != "events":
            console.print(f"\n[bold]{escape(profile.location)}[/] is recognized: {escape(draft.form)}", soft_wrap=True)
            return declared
        likely, notes = dict(draft.columns), draft.notes
    except HistoryFileError:
        likely, notes = {}, []
    guess = plain_events(profile, declared.columns, items)
    likely = {**guess.columns, **likely}
    wanted = ("occurred_at",) if declared.event else ("occurred_at", "event")
    columns = _ask_columns(profile, likely, needed=("user_id", "item_id"), wanted=wanted, notes=notes)
    event = declared.event
    if not event and not columns["event"]:
        event = typer.prompt("  each row is an impression, click, read, purchase, rate or NAME", default=guess.event or "click")
    kinds = {event} if event else set(names_of_events(profile.columns[columns["event"]].counts).values())
    if meanings := [meaning for kind, meaning in _VALUES.items() if kind in kinds]:
        needed = bool(kinds & {"read", "rate"})
        question = " or ".join(meanings)
        columns["value"] = _ask_column(profile, guess.columns.get("value"), question, needed=needed)
    unit = declared.value_unit
    if "read" in kinds and not unit:
        units = [name for name in VALUE_UNITS if name]
        likely_unit = unit_called(columns.get("value", "")) or "seconds"
        unit = typer.prompt(f"  in {', '.join(units)}", default=likely_unit, value_proc=partial(_one_of, units))
    return Declared(columns={**declared.columns, **columns}, event=event, value_unit=unit, form=declared.form or "events")


def ask_catalogue(profile: "Profile", item_type: str, declared: Mapping[str, str]) -> "CatalogueDraft":
    """What the columns of a file of items mean, and what an item is."""
    from deploy.dataset.files import HistoryFileError
    from deploy.dataset.guess.catalogue import draft_catalogue
    from deploy.dataset.messages import is_change

    columns = dict(declared)
    if not is_change(profile.sample[0]):
        try:
            likely = draft_catalogue(profile, item_type, declared).columns
        except HistoryFileError:
            likely = {}
        columns |= _ask_columns(profile, likely, needed=("item_id",), wanted=("title", "text", "categories"))
    item_type = typer.prompt("  an item is a (product, article, video, ...)", default=item_type)
    return draft_catalogue(profile, item_type, columns)


def _ask_columns(
    profile: "Profile",
    guess: Mapping[str, str],
    *,
    needed: Sequence[str],
    wanted: Sequence[str],
    notes: Sequence[str] = (),
) -> dict[str, str]:
    """Shows the file's columns with their first values, and asks which column holds each field; an empty name is none."""
    console.print(f"\n[bold]{escape(Path(profile.location).name)}[/] has these columns:")
    for name in profile.names:
        values = list(dict.fromkeys(str(cell) for cell in profile.cells(name)))[:_SHOWN]
        console.print(f"  {name}: {', '.join(values)}", markup=False, no_wrap=True, overflow="ellipsis")
    for note in notes:
        console.print(f"  {note}", style="yellow", markup=False, soft_wrap=True)
    console.print(f"Which one holds (Enter takes what stands in brackets, {_NONE} is none)", markup=False)
    return {name: _ask_column(profile, guess.get(name), _QUESTIONS[name], needed=name in needed) for name in (*needed, *wanted)}


def _ask_column(profile: "Profile", guess: str | None, question: str, *, needed: bool) -> str:
    """The name of a column; empty for none, where that may be."""
    choices = [*profile.names, *([] if needed else [_NONE])]
    default = guess if guess in choices else None if needed else _NONE
    answer = typer.prompt(f"  {question}", default=default, value_proc=partial(_one_of, choices))
    return "" if answer == _NONE else str(answer)


def _existing(answer: str) -> str:
    from deploy.dataset.files import HistoryFileError
    from deploy.dataset.files.locations import parts_of

    if answer:
        try:
            parts_of(answer)
        except HistoryFileError as error:
            raise typer.BadParameter(f"{answer} is no file, directory or pattern of files ({error})") from error
    return answer


def _one_of(choices: Sequence[str], answer: str) -> str:
    if answer not in choices:
        raise typer.BadParameter(f"{answer!r} is none of {', '.join(choices)}")
    return answer
