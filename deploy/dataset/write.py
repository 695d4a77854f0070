"""The text of a new project: headwater.toml with its comments, and a tasks file that fits the data."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["CatalogueDraft", "HistoryDraft", "project_text", "tasks_text"]

_NO_CATALOGUE = (
    "# Without a catalogue, items are known by their ids alone: new ones start from nothing.",
    "# [catalogue]",
    '# file = "items.csv"',
    '# item_type = "product"',
    "# [catalogue.columns]",
    '# item_id = "id"',
    '# title = "name"',
)
_ROWS = {
    "lists": "one list of items a row, with what was done with them",
    "parallel lists": "lists of what one user did, a row for each user",
    "flags": "one item that was shown a row, with what came of it",
    "matrix": "one user a row, with a column for each item",
    "messages": "events as `headwater produce` takes them",
}
_SETTINGS = (
    "# Any HEADWATER_* variable of the reference; the shell's own go before these.",
    "[settings]",
    "# HEADWATER_SERVER_PORT = 50051",
    '# HEADWATER_ENCODER = "path/of/a/multilingual/model"  # the built-in one reads English',
)


@dataclass(kw_only=True, slots=True)
class HistoryDraft:
    """One `[[history]]` table to be; see deploy.dataset.project.History."""

    file: str
    header: bool = True
    encoding: str = ""
    separator: str = ""
    form: str = "events"
    """What it was recognized as."""
    columns: dict[str, str]
    event: str = ""
    names: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    amounts: dict[str, str] = field(default_factory=dict)
    matrix: bool = False
    value_unit: str = ""
    decimal: str = ""
    timed: bool = True
    time_formats: tuple[str, ...] = ()
    unused: Sequence[str] = ()
    """Columns that mean nothing to us."""
    imply_impressions: bool = False
    sampled_impressions: int = 0
    rated_up_to: float | None = None
    held: set[str] = field(default_factory=set)
    """Events of messages, which say themselves what they are."""
    notes: list[str] = field(default_factory=list)
    """What its user should look at."""
    close_users: list[str] = field(default_factory=list)
    """Columns between which the choice of the user was close."""
    besides: "HistoryDraft | None" = None
    """The same file once more, as what those of its rows are besides in which the value is not empty."""

    @property
    def kinds(self) -> set[str]:
        """Events that it holds."""
        if self.held:
            return self.held
        kinds = {self.event} if self.event else set(self.names.values()) - {"skip"}
        if self.outcomes or "shown" in self.columns:
            kinds |= {"impression", *self.outcomes}
        return kinds


@dataclass(kw_only=True, slots=True)
class CatalogueDraft:
    """The `[catalogue]` table to be; `file` is empty where nothing but the type of the items is known."""

    file: str = ""
    header: bool = True
    encoding: str = ""
    separator: str = ""
    item_type: str
    columns: dict[str, str] = field(default_factory=dict)
    more_categories: Sequence[str] = ()
    """Columns of categories beside the first."""
    attributes: dict[str, str] = field(default_factory=dict)
    categories_parted_by: str = ""
    time_formats: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    unused: Sequence[str] = ()


def project_text(
    histories: Sequence[HistoryDraft],
    catalogue: CatalogueDraft | None,
    *,
    time_zone: str = "",
    normalize_ids: Sequence[str] = (),
) -> str:
    """headwater.toml."""
    lines = [
        "# What your data means to Headwater. In this directory: `headwater check` says what it holds, `headwater replay` learns",
        "# from it offline, `headwater up` runs the whole system on it. Paths are relative to this file.",
        'tasks = "tasks.toml"  # what to predict',
    ]
    if time_zone:
        lines.append(f"time_zone = {_quoted(time_zone)}  # of times that name no zone")
    if normalize_ids:
        lines.append(f"normalize_ids = {_listed(normalize_ids)}  # differences between ids that are none")
    for history in histories:
        lines += ["", *_history_lines(history)]
    lines += ["", *(_NO_CATALOGUE if catalogue is None else _catalogue_lines(catalogue)), "", *_SETTINGS]
    return "\n".join(lines) + "\n"


def _history_lines(history: HistoryDraft) -> list[str]:
    lines = [f"[[history]]  # {_ROWS.get(history.form, 'what users did, one event a row')}; repeat the table for more files"]
    lines += _file_lines(history)
    if history.event:
        what = "what each cell is" if history.matrix else "what was done" if history.form == "lists" else "what each row is"
        lines.append(f"event = {_quoted(history.event)}  # {what}: impression, click, read, purchase or a name of yours")
    if history.matrix:
        lines.append("matrix = true  # a column for each item, or with item_id below one for each user")
    if not history.timed and not history.held:
        lines.append("timed = false  # no column holds a time: rows count as following each other, up to now")
    lines += _formats(history.time_formats)
    if history.value_unit:
        lines.append(f"value_unit = {_quoted(history.value_unit)}  # of times read or watched")
    if history.decimal:
        lines.append(f"decimal = {_quoted(history.decimal)}  # what parts fractions in numbers")
    if history.imply_impressions:
        lines.append("imply_impressions = true  # nothing says what was shown: an item acted on was shown just before")
    if history.sampled_impressions:
        lines.append(f"sampled_impressions = {history.sampled_impressions}  # what was passed over is not known: others stand in")
    if history.columns:
        lines += ["[history.columns]  # our name = your column", *_pairs(history.columns)]
    if history.names:
        column = history.columns.get("event", "")
        whose = f"the column {column}" if column else "cells"
        lines += [f'[history.names]  # values of {whose}, and the event that each is; "skip" leaves rows out']
        lines += _pairs(history.names)
    if history.outcomes:
        lines += ["[history.outcomes]  # event = the column that is neither empty, 0 nor false where it came about"]
        lines += _pairs(history.outcomes)
    if history.amounts:
        lines += ["[history.amounts]  # event = the column of its value", *_pairs(history.amounts)]
    return lines


def _catalogue_lines(catalogue: CatalogueDraft) -> list[str]:
    lines = ["[catalogue]  # the items, with the text by which new ones are understood"]
    if not catalogue.file:
        return [*lines, f"item_type = {_quoted(catalogue.item_type)}  # add file = and columns, as in docs/guides/your-data.md"]
    lines += _file_lines(catalogue)
    lines.append(f"item_type = {_quoted(catalogue.item_type)}  # where no column `type` says another")
    lines += _formats(catalogue.time_formats)
    sign = catalogue.categories_parted_by
    if sign and sign != "|":
        lines.append(f"categories_parted_by = {_quoted(sign)}  # what stands between several categories")
    lines += ["[catalogue.columns]  # also: text, type, categories, language, published_at, attributes.NAME"]
    several = [catalogue.columns.get("categories", ""), *catalogue.more_categories]
    for name, column in catalogue.columns.items():
        more = name == "categories" and len(several) > 1
        lines.append(f"categories = {_listed(several)}" if more else f"{_key(name)} = {_quoted(column)}")
    return lines + [f"attributes.{_key(name)} = {_quoted(column)}" for name, column in catalogue.attributes.items()]


def _file_lines(table: HistoryDraft | CatalogueDraft) -> list[str]:
    lines = [f"file = {_quoted(table.file)}"]
    if not table.header:
        lines.append("header = false  # the columns are called 1, 2, 3, ...")
    if table.encoding:
        lines.append(f"encoding = {_quoted(table.encoding)}")
    if table.separator:
        lines.append(f"separator = {_quoted(table.separator)}")
    return lines


def tasks_text(kinds: set[str], *, timed: bool, rated_up_to: float | None = None) -> str:
    """tasks.toml for data that holds these events; `rated_up_to` is the highest rating."""
    window = (
        "1800  # seconds within which it counts as following" if timed else "1  # the data has no times: what belongs together is"
    )
    blocks = []
    others = sorted(kinds - {"impression", "click", "read", "purchase", "rate", "scroll"})
    if "click" in kinds:
        blocks.append(_binary("click", "is the item clicked after it was shown?", window))
    if "read" in kinds:
        body = '[tasks.read_seconds]  # how long is it read, watched or played, if at all?\nkind = "duration"\nevent = "read"'
        blocks.append(body + "\nrank_weight = 0.5  # with more, what hardly anybody opens may come first for its length")
        if "impression" in kinds and "click" not in kinds:
            blocks.insert(0, _binary("read", "is it read, watched or played at all after it was shown?", window))
    if "purchase" in kinds:
        given = '\ngiven = "click"  # nothing is bought without a click first' if "click" in kinds and timed else ""
        blocks.append(_binary("purchase", "is it bought?", window) + given)
    blocks += [_binary(name, f"is there a {name} after it was shown?", window) for name in others]
    if "rate" in kinds:
        if kinds == {"impression", "rate"}:
            blocks.append(_binary("rate", "is it turned to, and rated, at all after it was shown?", window))
        top = 5 if rated_up_to is None else math.ceil(rated_up_to)
        blocks.append(f'[tasks.like]  # is it rated high?\nkind = "binary"\nevent = "rate"\nat_least = {0.8 * top:g}')
        blocks.append('[tasks.rating]  # how is it rated?\nkind = "regression"\nevent = "rate"')
    head = (
        "# What to predict: one table a task. Keys: kind (binary, duration, regression), event, at_least, window_seconds,\n"
        "# weight, priority, rank_weight, given, item_types; docs/reference/tasks.md explains each.\n\n"
    )
    return head + "\n\n".join(blocks) + "\n"


def _binary(name: str, question: str, window: str) -> str:
    task = name.replace(".", "_").replace("-", "_")
    return f'[tasks.{task}]  # {question}\nkind = "binary"\nevent = {_quoted(name)}\nwindow_seconds = {window}'


def _formats(formats: Sequence[str]) -> list[str]:
    """The line about forms of times, where any are needed."""
    return [f"time_formats = {_listed(formats)}  # beside ISO 8601 and Unix seconds"] if formats else []


def _pairs(pairs: Mapping[str, str]) -> list[str]:
    return [f"{_key(name)} = {_quoted(value)}" for name, value in pairs.items()]


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").isalnum() else _quoted(name)


def _listed(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, values))}]"


def _quoted(value: object) -> str:
    """A TOML basic string, for which JSON's escapes are valid."""
    return json.dumps(str(value), ensure_ascii=False)
