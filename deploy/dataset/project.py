"""Project file, headwater.toml: where recorded data lies, what its columns mean, and what it is served with."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from deploy.dataset.files.locations import is_address
from runtime.errors import UserError
from training.simulation.synthetic import Simulated

__all__ = [
    "PROJECT_FILE",
    "VALUE_UNITS",
    "Catalogue",
    "Columns",
    "History",
    "ItemColumns",
    "Project",
    "ProjectError",
    "find_project",
    "load_project",
]

PROJECT_FILE = "headwater.toml"

VALUE_UNITS = {"": 1.0, "milliseconds": 1e-3, "seconds": 1.0, "minutes": 60.0, "hours": 3600.0}
"""What a value is multiplied with to be seconds."""


class ProjectError(UserError, ValueError):
    """A project file that cannot be used; the message says which one and what to change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which column of a history holds what. A row needs a user, an item and what happened; the rest may be absent."""

    user_id: str = "user_id"
    item_id: str = "item_id"
    occurred_at: str = "occurred_at"
    """As deploy.dataset.values.times.unix_seconds takes it."""
    clock: str = ""
    """The time of day, where `occurred_at` holds the date alone."""
    event: str = "event"
    """`impression`, `click`, `read`, `purchase` or an action's name."""
    value: str = "value"
    """Seconds of a read, amount of a purchase, value of an action."""
    event_id: str = "event_id"
    recommendation_id: str = "recommendation_id"
    position: str = "position"
    """Rank in the list that was shown, from 0."""
    shown: str = ""
    """A list of the items that were shown, in one cell: ids, or ids with -1 where they were clicked and -0 where not."""
    acted: str = ""
    """A list of those of them that were acted on."""
    past: str = ""
    """A list of items that the user acted on before; the one of a user's earliest row counts."""
    sequence: str = ""
    """A list of items acted on one after the other, in place of `item_id`."""


class ItemColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which column of a catalogue holds what; a column that the file lacks is passed over."""

    item_id: str = "item_id"
    title: str = "title"
    text: str = "text"
    type: str = "type"
    categories: str | tuple[str, ...] = "categories"
    """One name, a list, or several parted by `categories_parted_by`; of several columns all count."""
    language: str = "language"
    published_at: str = "published_at"
    attributes: dict[str, str] = {}
    """By attribute, the column that holds it."""


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of items, one a row; of rows with the same item the last one counts."""

    file: str = ""
    """As of a history; empty where nothing but the type of the items is known."""
    header: bool = True
    encoding: str = ""
    separator: str = ""
    item_type: str = "item"
    """For items whose row names no type."""
    time_formats: tuple[str, ...] = ()
    """Forms of `published_at` that are neither Unix seconds nor ISO 8601, such as "%d.%m.%Y"."""
    categories_parted_by: str = "|"
    """What stands between several categories in a cell; lists that are written out need nothing."""
    columns: ItemColumns = ItemColumns()


class History(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of what users did, one event a row, or with `outcomes` one impression and what came of it."""

    file: str
    """A file, a directory of part files, a pattern such as logs/*.csv, or such at an address such as s3://bucket/key."""
    header: bool = True
    """Whether the first row of a text names the columns, which are else called 1, 2, 3, ..."""
    encoding: str = ""
    """Of a text, such as "gb18030"; detected where it is UTF-8 or UTF-16, and guessed where not."""
    separator: str = ""
    """What parts the fields of a text, such as ";" or "::"; detected."""
    event: str = ""
    """What every row is; empty where the column `columns.event` says so."""
    columns: dict[str, str] = {}
    names: dict[str, str] = {}
    """Values of the event column, and the event that each stands for; `skip` passes the row over."""
    outcomes: dict[str, str] = {}
    """By event, the column that is neither empty, 0 nor false where it happened; its number is the event's value."""
    amounts: dict[str, str] = {}
    """By event, the column of its value, where that is not the one of `outcomes`."""
    matrix: bool = False
    """Whether each row is a user with a column for each item, or with `columns.item_id` an item with a column for each user."""
    timed: bool = True
    """False for a table without times: rows then follow each other as in the file, in the 90 days before now."""
    time_formats: tuple[str, ...] = ()
    """Forms of times that are neither Unix seconds nor ISO 8601, such as "%d.%m.%Y %H:%M"; "serial" for days of a spreadsheet."""
    time_zone: str = ""
    """Of times that name no zone, such as "Europe/Berlin"; empty for the project's."""
    value_unit: Literal["", "milliseconds", "seconds", "minutes", "hours"] = ""
    """Of times read or watched."""
    decimal: Literal["", ".", ","] = ""
    """What parts fractions in numbers, where a cell such as 1,272 does not tell."""
    imply_impressions: bool = False
    """Put an impression before each event: the item must have been in view."""
    sampled_impressions: int = 0
    """Show the item of each event among so many others, for data that does not say what was passed over."""
    sampled_popularity: float = 0.75
    """The power of popularity by which those others are drawn, of the items that exist by then: each in proportion to (k + events
    until then) to this power, k being large where items differ by little more than chance. With 0 all are alike and popularity
    tells what was chosen, with 1 little but taste does."""

    def __post_init__(self) -> None:
        known = [field.name for field in fields(Columns)]
        if unknown := sorted(set(self.columns).difference(known)):
            raise ValueError(f"history.columns: {', '.join(unknown)} is unknown; there are {', '.join(known)}")
        _check_zone(self.time_zone)
        if self.sampled_impressions < 0:
            raise ValueError("history.sampled_impressions: give 0 or more")
        if not 0 <= self.sampled_popularity <= 2:
            raise ValueError("history.sampled_popularity: give a number from 0 to 2")

    @property
    def named(self) -> Columns:
        """Names of the columns."""
        return Columns(**self.columns)


class Project(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of headwater.toml; paths are relative to its directory until `load_project` resolves them."""

    tasks: Path = Path("tasks.toml")
    time_zone: str = "UTC"
    """Of times that name no zone, in all files, such as "Asia/Shanghai"."""
    normalize_ids: tuple[Literal["fraction", "unicode", "case", "zeros"], ...] = ()
    """Which differences between ids are none: 123.0 and 123, ways to write an umlaut, capital letters, zeros in front."""
    history: tuple[History, ...] = ()
    catalogue: Catalogue | None = None
    settings: dict[str, str | int | float | bool] = {}
    """HEADWATER_* variables; those of the shell go before them."""
    simulate: Simulated | None = None
    """For a project whose data is made rather than recorded; it comes to what files hold."""

    def __post_init__(self) -> None:
        if wrong := sorted(name for name in self.settings if not name.startswith("HEADWATER_")):
            raise ValueError(f"settings: {', '.join(wrong)}; write the whole name, such as HEADWATER_SERVER_PORT")
        _check_zone(self.time_zone)

    @property
    def item_type(self) -> str:
        """What an item is, where its row names no type."""
        return self.catalogue.item_type if self.catalogue is not None else "item"


def load_project(place: Path) -> Project:
    """The project in a directory, or in a file such as headwater.toml; its paths come out absolute.

    Raises:
        ProjectError: it is not there, or a key or value does not fit; the message names it.
    """
    path = place / PROJECT_FILE if place.is_dir() else place
    try:
        return parse_project(path.read_text(encoding="utf-8"), root=path.resolve().parent)
    except OSError as error:
        raise ProjectError(f"{path}: cannot be read ({error.strerror}); `headwater init` makes a project") from error
    except UnicodeDecodeError as error:
        raise ProjectError(f"{path}: cannot be read ({error}); save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ProjectError(f"{path}: {error}") from error


def parse_project(text: str, *, root: Path) -> Project:
    """The project that a text declares, its paths taken from `root`; raises as tomllib and msgspec do."""
    project = msgspec.convert(tomllib.loads(text), Project, dec_hook=lambda kind, value: kind(value))
    catalogue = project.catalogue
    if catalogue is not None:
        catalogue = msgspec.structs.replace(catalogue, file=_below(root, catalogue.file))
    history = tuple(msgspec.structs.replace(one, file=_below(root, one.file)) for one in project.history)
    simulate = project.simulate
    if simulate is not None:
        simulate = msgspec.structs.replace(simulate, catalogue=root / simulate.catalogue)
    return msgspec.structs.replace(project, tasks=root / project.tasks, history=history, catalogue=catalogue, simulate=simulate)


def _below(root: Path, file: str) -> str:
    return file if not file or is_address(file) else str(root / Path(file).expanduser())


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"time_zone: {name!r} is unknown; write a name such as Europe/Berlin or Asia/Shanghai") from error


def find_project() -> Path | None:
    """The project file of the working directory, if it has one."""
    path = Path(PROJECT_FILE)
    return path if path.is_file() else None
