"""Owns a project in the making: what is said of a file, completed by what its columns' names and first rows tell."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.project.guess import guess_fields, guess_history, guess_names, sample
from deploy.project.write import CatalogueDraft, HistoryDraft
from training.tables import HistoryFileError

__all__ = ["HISTORY_FIELDS", "ITEM_FIELDS", "Said", "columns_of", "draft_catalogue", "draft_history", "finish_drafts"]

HISTORY_FIELDS = ("user_id", "item_id", "occurred_at", "event", "value", "event_id", "recommendation_id")
ITEM_FIELDS = ("item_id", "title", "text", "type", "categories", "language", "published_at")
_NEEDED = ("user_id", "item_id")
_SAMPLED = 2
_COURSE = ("impression", "click", "purchase")
"""How events of one user and item follow each other where the data has no times; all others come after these."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What the user says of a file of events, before any guess; an empty name in `columns` says that no column holds it."""

    columns: dict[str, str] = field(default_factory=dict)
    event: str = ""
    value_unit: str = ""


def columns_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Names of the columns, in the order in which the rows bring them."""
    return list(dict.fromkeys(name for row in rows for name in row))


def draft_history(file: Path, said: Said | None = None, *, header: bool = True) -> HistoryDraft:
    """What a file of events holds by what is said and guessed; columns that are said and that it lacks are left out.

    Raises:
        HistoryFileError: it cannot be read, or no column is found for what is needed; the message lists those that there are.
    """
    said = said or Said()
    rows = sample(file, header=header)
    guess = guess_history(rows)
    columns = _chosen(rows, guess.columns, said.columns, HISTORY_FIELDS)
    for needed in _NEEDED:
        _require(file, rows, columns, needed, needed)
    event = said.event or ("" if "event" in columns else guess.event)
    if event:
        columns.pop("event", None)
    names = {} if event else guess_names(rows, columns["event"])[0]
    draft = HistoryDraft(file=file, header=header, columns=columns, event=event, names=names, timed="occurred_at" in columns)
    if "read" in draft.kinds:
        _require(file, rows, columns, "value", "the time read")
        draft.value_unit = said.value_unit or guess.value_unit
    elif draft.kinds == {"rate"}:
        _require(file, rows, columns, "value", "the rating")
    elif draft.kinds <= {"click", "impression"}:
        columns.pop("value", None)
    draft.rated_up_to = _highest(rows, columns.get("value")) if "rate" in draft.kinds else None
    return draft


def draft_catalogue(file: Path, item_type: str, said: dict[str, str] | None = None) -> CatalogueDraft:
    """What a file of items holds; one of catalogue messages, as `headwater produce --catalogue` takes them, needs no columns.

    Raises:
        HistoryFileError: it cannot be read, or no column looks like the item's id.
    """
    rows = sample(file)
    if isinstance(rows[0].get("upsert"), dict):
        return CatalogueDraft(file=file, item_type=item_type, columns={})
    columns = _chosen(rows, guess_fields(rows, ITEM_FIELDS), said or {}, ITEM_FIELDS)
    _require(file, rows, columns, "item_id", "item_id")
    return CatalogueDraft(file=file, item_type=item_type, columns=columns)


def finish_drafts(drafts: list[HistoryDraft]) -> set[str]:
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


def _course(draft: HistoryDraft) -> int:
    return min(_COURSE.index(kind) if kind in _COURSE else len(_COURSE) for kind in draft.kinds or {""})


def _chosen(
    rows: Sequence[dict[str, Any]], guessed: dict[str, str], said: dict[str, str], fields: Sequence[str]
) -> dict[str, str]:
    """Column of each field: as said where the file has that column, else as guessed."""
    present = columns_of(rows)
    ours = {name: column for name, column in said.items() if name in fields and (column in present or not column)}
    taken = set(ours.values())
    left = {name: column for name, column in guessed.items() if column not in taken}
    chosen = {**left, **ours}
    return {name: chosen[name] for name in fields if chosen.get(name)}


def _require(file: Path, rows: Sequence[dict[str, Any]], columns: dict[str, str], name: str, meaning: str) -> None:
    if name not in columns:
        raise HistoryFileError(
            f"{file}: no column looks like {meaning}; say which it is: --column {name}=COLUMN, of {', '.join(columns_of(rows))}"
        )


def _highest(rows: Sequence[dict[str, Any]], column: str | None) -> float | None:
    values = []
    for row in rows:
        try:
            values.append(float(row[column or ""]))
        except (KeyError, TypeError, ValueError):
            continue
    return max(values, default=None)
