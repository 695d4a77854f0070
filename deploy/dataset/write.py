"""Owns the text of a new project: headwater.toml with its comments, and a tasks file that fits the data."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
_SETTINGS = (
    "# Any HEADWATER_* variable of the reference; the shell's own go before these.",
    "[settings]",
    "# HEADWATER_SERVER_PORT = 50051",
    '# HEADWATER_ENCODER = "path/of/a/multilingual/model"  # the built-in one reads English',
)


@dataclass(kw_only=True, slots=True)
class HistoryDraft:
    """One `[[history]]` table to be; see deploy.dataset.project.History."""

    file: Path
    header: bool = True
    columns: dict[str, str]
    event: str = ""
    names: dict[str, str] = field(default_factory=dict)
    value_unit: str = ""
    timed: bool = True
    time_formats: tuple[str, ...] = ()
    unused: Sequence[str] = ()
    """Columns that mean nothing to us."""
    imply_impressions: bool = False
    sampled_impressions: int = 0
    rated_up_to: float | None = None
    besides: "HistoryDraft | None" = None
    """The same file once more, as what those of its rows are besides in which the value is not empty."""

    @property
    def kinds(self) -> set[str]:
        """Events that it holds."""
        return {self.event} if self.event else set(self.names.values()) - {"skip"}


@dataclass(kw_only=True, slots=True)
class CatalogueDraft:
    """The `[catalogue]` table to be."""

    file: Path
    item_type: str
    columns: dict[str, str]
    time_formats: tuple[str, ...] = ()
    unused: Sequence[str] = ()


def project_text(histories: Sequence[HistoryDraft], catalogue: CatalogueDraft | None) -> str:
    """headwater.toml."""
    lines = [
        "# What your data means to Headwater. In this directory: `headwater check` says what it holds, `headwater replay` learns",
        "# from it offline, `headwater up` runs the whole system on it. Paths are relative to this file.",
        'tasks = "tasks.toml"  # what to predict',
    ]
    for history in histories:
        lines += ["", *_history_lines(history)]
    lines += ["", *(_NO_CATALOGUE if catalogue is None else _catalogue_lines(catalogue)), "", *_SETTINGS]
    return "\n".join(lines) + "\n"


def _history_lines(history: HistoryDraft) -> list[str]:
    lines = [
        "[[history]]  # what users did, one event a row; repeat the table for more files",
        f"file = {_quoted(history.file)}",
    ]
    if not history.header:
        lines.append("header = false  # the columns are called 1, 2, 3, ...")
    if history.event:
        lines.append(
            f"event = {_quoted(history.event)}  # what each row is: impression, click, read, purchase or a name of yours"
        )
    if not history.timed:
        lines.append("timed = false  # no column holds a time: rows count as following each other, up to now")
    lines += _formats(history.time_formats)
    if history.value_unit:
        lines.append(f"value_unit = {_quoted(history.value_unit)}  # of the value column")
    if history.imply_impressions:
        lines.append("imply_impressions = true  # nothing says what was shown: an item acted on was shown just before")
    if history.sampled_impressions:
        lines.append(f"sampled_impressions = {history.sampled_impressions}  # what was passed over is not known: others stand in")
    lines += ["[history.columns]  # our name = your column", *_pairs(history.columns)]
    if history.names:
        column = history.columns["event"]
        lines += [f'[history.names]  # values of the column {column}, and the event that each is; "skip" leaves rows out']
        lines += _pairs(history.names)
    return lines


def _catalogue_lines(catalogue: CatalogueDraft) -> list[str]:
    return [
        "[catalogue]  # the items, with the text by which new ones are understood",
        f"file = {_quoted(catalogue.file)}",
        f"item_type = {_quoted(catalogue.item_type)}  # where no column `type` says another",
        *_formats(catalogue.time_formats),
        "[catalogue.columns]  # also: text, type, categories (parted by |), language, published_at",
        *_pairs(catalogue.columns),
    ]


def tasks_text(kinds: set[str], *, timed: bool, rated_up_to: float | None = None) -> str:
    """tasks.toml for data that holds these events; `rated_up_to` is the highest rating."""
    window = (
        "1800  # seconds within which it counts as following" if timed else "1  # the data has no times: what belongs together is"
    )
    blocks = []
    others = sorted(kinds - {"impression", "click", "read", "purchase", "rate"})
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
    listed = ", ".join(map(_quoted, formats))
    return [f"time_formats = [{listed}]  # beside ISO 8601 and Unix seconds; a time without a zone is UTC"] if formats else []


def _pairs(pairs: Mapping[str, str]) -> list[str]:
    return [f"{_key(name)} = {_quoted(value)}" for name, value in pairs.items()]


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").isalnum() else _quoted(name)


def _quoted(value: object) -> str:
    """A TOML basic string, for which JSON's escapes are valid."""
    return json.dumps(str(value), ensure_ascii=False)
