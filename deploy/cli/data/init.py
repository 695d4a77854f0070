"""`headwater init`: a project of the user's own data, by flags, by guesses from names and values, and by questions."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from deploy.cli.connection import CliError, called, console
from deploy.cli.data.prompts import ask_catalogue, ask_catalogue_file, ask_history, ask_history_files
from deploy.observe.progress import progress

if TYPE_CHECKING:
    from deploy.dataset.guess.profile import Profile
    from deploy.dataset.write import CatalogueDraft, HistoryDraft

__all__ = ["init", "register"]

_OUTCOMES = ("outcomes.", "amounts.", "attributes.")


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(init)


def init(
    directory: Annotated[Path, typer.Argument(help="Of the project; it is made where it is missing.")] = Path("."),
    history: Annotated[
        list[str] | None,
        typer.Option(
            help="What users did: CSV, JSON or Parquet, a directory or pattern of such files, also at an address such as "
            "s3://bucket/key; repeat for more."
        ),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            help="What the rows of a --history are (impression, click, read, purchase or a name of yours), in the same order."
        ),
    ] = None,
    catalogue: Annotated[str | None, typer.Option(help="The items, in a file of any of these kinds.")] = None,
    item_type: Annotated[str, typer.Option(help="What an item is, such as product, article or video.")] = "item",
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="A column that the name does not tell, such as user_id=member, outcomes.click=is_click or "
            "attributes.price=price; of one file alone: clicks.csv:user_id=member, or 2:user_id=member for the second "
            "--history; repeat.",
            metavar="[FILE:]FIELD=COLUMN",
        ),
    ] = None,
    format: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="The form of a --history, where it is not found: mind, ebnerd, sessions, flags, movielens, matrix or events; in "
            "the same order.",
        ),
    ] = None,
    value_unit: Annotated[
        list[str] | None,
        typer.Option(help="milliseconds, seconds, minutes or hours, of times read or watched; in the same order."),
    ] = None,
    time_zone: Annotated[str, typer.Option(help="Of times that name none, such as Europe/Berlin; else UTC.")] = "",
    encoding: Annotated[str, typer.Option(help="Of all files, such as gb18030; else it is found.")] = "",
    separator: Annotated[str, typer.Option(help="What parts fields in all files; else it is found.")] = "",
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            help="Whether the first line of a --history names the columns, which are else 1, 2, 3, ...",
            show_default="found",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the flags and the guesses.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a project that is there.")] = False,
) -> None:
    """Make a project of your own data: headwater.toml (what the columns mean) and tasks.toml (what to predict).

    What the flags leave open is guessed from the columns' names and values, and asked where this is a terminal.

    For example: headwater init shop --history clicks.csv --history orders.csv --catalogue products.csv --item-type product
    """
    from deploy.dataset.files import Form, Source
    from deploy.dataset.files.locations import is_stream
    from deploy.dataset.guess.catalogue import declared_of_items, draft_catalogue, known_items, ways_between
    from deploy.dataset.guess.draft import Declared, draft_history, finish_drafts
    from deploy.dataset.guess.profile import profile
    from deploy.dataset.project import PROJECT_FILE
    from deploy.dataset.write import CatalogueDraft

    if (directory / PROJECT_FILE).exists() and not force:
        raise CliError(f"{directory / PROJECT_FILE} is there already; edit it, or write over it with --force")
    zone = _zone(time_zone)
    ask = not yes and sys.stdin.isatty()
    files = list(history or []) or (ask_history_files() if ask else [])
    if not files:
        raise CliError("name a file of what users did: headwater init --history FILE")
    if ask and catalogue is None:
        catalogue = ask_catalogue_file()
    for file in [*files, *([catalogue] if catalogue else [])]:
        if is_stream(Path(file)):
            raise CliError(f"{file} is a pipe, and a project's files are read at every start: save it as a file")
    events = _in_order("--event", event, files)
    forms = _in_order("--format", format, files)
    units = _in_order("--value-unit", value_unit, files)
    _check_words(forms, units)
    with progress("reading", console) as told:
        form = Form(encoding=encoding, separator=separator, header=header)
        profiles = {file: profile(Source(location=file, form=form), told.rows) for file in dict.fromkeys(files)}
        of_items = None
        if catalogue is not None:
            of_items = profile(Source(location=catalogue, form=Form(encoding=encoding, separator=separator)), told.rows)
    named = [_named(column or [], place, file) for place, file in enumerate([*files, catalogue or ""], start=1)]
    _check_named(column or [], [*profiles.values(), *([of_items] if of_items else [])])
    named_items = {} if of_items is None else declared_of_items(of_items, list(profiles.values()), named[-1])
    known = frozenset() if of_items is None else known_items(of_items, named_items)
    drafts: list[HistoryDraft] = []
    for file, columns, kind, form_name, unit in zip(files, named[:-1], events, forms, units, strict=True):
        declared = Declared(columns=columns, event=kind, value_unit=unit, form=form_name)
        if ask:
            declared = ask_history(profiles[file], declared, items=known, zone=zone)
        drafts.append(draft_history(profiles[file], declared, items=known, zone=zone))
    kinds = finish_drafts(drafts)
    items: CatalogueDraft | None
    if of_items is not None:
        items = (ask_catalogue if ask else draft_catalogue)(of_items, item_type, named_items)
    else:
        items = None if item_type == "item" else CatalogueDraft(item_type=item_type)
    ways, differ = ways_between(drafts, profiles, known)
    _write(directory, drafts, items, kinds, force=force, time_zone=time_zone, ways=ways)
    _report(directory, drafts, items, differ)


def _in_order(flag: str, given: list[str] | None, files: Sequence[str]) -> list[str]:
    given = given or []
    if len(given) > len(files):
        raise typer.BadParameter(f"{flag} is given {len(given)} times for {len(files)} --history")
    if flag == "--value-unit" and len(given) == 1:
        return given * len(files)
    return [*given, *[""] * (len(files) - len(given))]


def _check_words(forms: Sequence[str], units: Sequence[str]) -> None:
    from deploy.dataset.guess.forms import FORMATS
    from deploy.dataset.project import VALUE_UNITS

    for flag, given, known in (("--format", forms, list(FORMATS)), ("--value-unit", units, [one for one in VALUE_UNITS if one])):
        for word in given:
            if word and word not in known:
                raise typer.BadParameter(f"{flag} {word}: give one of {', '.join(known)}")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise typer.BadParameter(f"--time-zone {name}: write a name such as Europe/Berlin or Asia/Shanghai") from error


def _write(
    directory: Path,
    drafts: "list[HistoryDraft]",
    items: "CatalogueDraft | None",
    kinds: set[str],
    *,
    force: bool,
    time_zone: str,
    ways: Sequence[str],
) -> None:
    """The project's two files; a tasks file that is there stays, unless `force` says otherwise."""
    from deploy.dataset.project import PROJECT_FILE
    from deploy.dataset.write import project_text, tasks_text

    directory.mkdir(parents=True, exist_ok=True)
    for draft in drafts:
        draft.file = _from(directory, draft.file)
    if items is not None:
        items.file = _from(directory, items.file)
    text = project_text(drafts, items, time_zone=time_zone, normalize_ids=ways)
    (directory / PROJECT_FILE).write_text(text, encoding="utf-8")
    tasks_file = directory / "tasks.toml"
    if force or not tasks_file.exists():
        timed = all(draft.timed for draft in drafts)
        top = max((draft.rated_up_to for draft in drafts if draft.rated_up_to is not None), default=None)
        tasks_file.write_text(tasks_text(kinds, timed=timed, rated_up_to=top), encoding="utf-8")


def _named(given: Sequence[str], place: int, file: str) -> dict[str, str]:
    """What flags say of one file: of all files, of this one by its name, or of this one by its number."""
    return dict(pair for whose, *pair in map(_split, given) if whose in ("", str(place), file, Path(file).name))


def _split(text: str) -> tuple[str, str, str]:
    """File, field and column of a flag; the file is empty where it is of all."""
    from deploy.dataset.guess.names import FIELDS, HISTORY_FIELDS

    whole, sign, column = text.partition("=")
    whose, _, name = whole.rpartition(":")
    known = list(dict.fromkeys((*HISTORY_FIELDS, *FIELDS)))
    if not (name in known or (name.startswith(_OUTCOMES) and name.partition(".")[2])) or not sign or not column:
        raise typer.BadParameter(
            f"--column {text}: write FIELD=COLUMN, FIELD one of {', '.join(known)}, outcomes.EVENT, amounts.EVENT or "
            "attributes.NAME"
        )
    return whose, name, column


def _check_named(given: Sequence[str], profiles: "Sequence[Profile]") -> None:
    for whose, name, column in map(_split, given):
        present = {one for profile in profiles for one in profile.names}
        if column not in present:
            flag = f"{whose}:{name}" if whose else name
            raise CliError(f"--column {flag}={column}: no file has that column; there are {', '.join(sorted(present))}")


def _from(directory: Path, file: str) -> str:
    """As the project file should name it: from its own directory where it lies below, else in full."""
    from deploy.dataset.files.locations import is_address

    if not file or is_address(file):
        return file
    full, root = Path(file).expanduser().absolute(), directory.absolute()
    if not full.is_relative_to(root):
        full, root = full.resolve(), directory.resolve()
    return str(full.relative_to(root) if full.is_relative_to(root) else full)


def _report(directory: Path, drafts: "list[HistoryDraft]", items: "CatalogueDraft | None", differ: Sequence[str]) -> None:
    for draft in drafts:
        kinds = " and ".join(sorted(draft.kinds))
        _report_columns(
            draft, kinds, {**draft.columns, **_dotted("outcomes", draft.outcomes), **_dotted("amounts", draft.amounts)}
        )
        if not draft.timed:
            console.print("  [yellow]no column looks like a time:[/] its rows count as following each other", soft_wrap=True)
        if draft.sampled_impressions:
            console.print(
                f"  [yellow]nothing says what was shown and passed over:[/] without that a model learns how something is liked "
                f"once it was chosen, and not what people turn to. {draft.sampled_impressions} other items stand in for it "
                "(sampled_impressions); scores then rank well but are no true probabilities",
                soft_wrap=True,
            )
    if items is not None and items.columns:
        _report_columns(items, f"items of type {items.item_type}", {**items.columns, **_dotted("attributes", items.attributes)})
    for line in differ:
        console.print(line, style="yellow", soft_wrap=True, markup=False)
    cd = "" if directory.resolve() == Path.cwd() else f"cd {directory} && "
    console.print(
        f"Wrote {directory / 'headwater.toml'} and {directory / 'tasks.toml'}. Read both, then: {cd}{called(directory)} check",
        soft_wrap=True,
    )


def _dotted(prefix: str, columns: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{name}": column for name, column in columns.items()}


def _report_columns(draft: "HistoryDraft | CatalogueDraft", holds: str, columns: Mapping[str, str]) -> None:
    """What a file is taken to hold, which column is which, and which ones mean nothing to us."""
    found = ", ".join(f"{field} = {column}" for field, column in columns.items())
    console.print(f"{Path(draft.file).name}: {holds}; {found}", soft_wrap=True, markup=False)
    for note in draft.notes:
        console.print(f"  {note}", style="yellow", soft_wrap=True, markup=False)
    if draft.time_formats:
        console.print(f"  times are read as {' or '.join(draft.time_formats)} too", markup=False, soft_wrap=True)
    if draft.unused:
        console.print(
            f"  not used: {', '.join(draft.unused)}; if one is, say so by --column FIELD=COLUMN", markup=False, soft_wrap=True
        )
