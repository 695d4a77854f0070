"""Owns a project in the making: what is said of a file, completed by what its columns' names and first rows tell."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deploy.dataset.evidence import cells_of, columns_of, shared_ids
from deploy.dataset.guesses import HISTORY_FIELDS, ITEM_FIELDS, guess_fields, guess_history, guess_items, guess_names, sample
from deploy.dataset.history_file import number_of
from deploy.dataset.tables import HistoryFileError
from deploy.dataset.times import formats_of
from deploy.dataset.write import CatalogueDraft, HistoryDraft

__all__ = ["Declared", "declared_of_items", "draft_catalogue", "draft_history", "finish_drafts", "known_items"]

_SAMPLED = 2
_COURSE = ("impression", "click", "purchase")
"""How events of one user and item follow each other where the data has no times; all others come after these."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What the user says of a file of events, before any guess; an empty name in `columns` says that no column holds it."""

    columns: dict[str, str] = field(default_factory=dict)
    event: str = ""
    value_unit: str = ""


def draft_history(
    file: Path, declared: Declared | None = None, *, header: bool = True, items: Set[str] = frozenset()
) -> HistoryDraft:
    """What a file of events holds by what is said and guessed; columns that are said and that it lacks are left out.

    Args:
        items: ids of items in the catalogue, or some of them.

    Raises:
        HistoryFileError: it cannot be read, or no column is found for what is needed; the message lists those that there are.
    """
    declared = declared or Declared()
    rows = sample(file, header=header)
    guess = guess_history(rows, _declared_of(rows, declared.columns, HISTORY_FIELDS), items)
    columns = _in_order(guess.columns, HISTORY_FIELDS)
    _require(file, rows, columns, {"user_id": "user_id", "item_id": "item_id"})
    event = declared.event or ("" if "event" in columns else guess.event)
    if event:
        columns.pop("event", None)
    names = {} if event else guess_names(rows, columns["event"])[0]
    draft = HistoryDraft(file=file, header=header, columns=columns, event=event, names=names, timed="occurred_at" in columns)
    if guess.also and event not in ("rate", "read"):
        draft.besides = draft_history(file, replace(declared, event=guess.also), header=header, items=items)
        columns.pop("value")
    if "read" in draft.kinds:
        _require(file, rows, columns, {"value": "the time read"})
        draft.value_unit = declared.value_unit or guess.value_unit
    elif draft.kinds == {"rate"}:
        _require(file, rows, columns, {"value": "the rating"})
    elif draft.kinds <= {"click", "impression"}:
        columns.pop("value", None)
    draft.time_formats = _formats(rows, columns.get("occurred_at"))
    draft.unused = [] if draft.besides else _unused(rows, columns)
    draft.rated_up_to = _highest(rows, columns.get("value")) if "rate" in draft.kinds else None
    return draft


def draft_catalogue(file: Path, item_type: str, declared: Mapping[str, str] | None = None) -> CatalogueDraft:
    """What a file of items holds; one of catalogue messages, as `headwater produce --catalogue` takes them, needs no columns.

    Raises:
        HistoryFileError: it cannot be read, or no column looks like the item's id.
    """
    rows = sample(file)
    if isinstance(rows[0].get("upsert"), dict):
        return CatalogueDraft(file=file, item_type=item_type, columns={})
    columns = _in_order(guess_items(rows, _declared_of(rows, declared or {}, ITEM_FIELDS)), ITEM_FIELDS)
    _require(file, rows, columns, {"item_id": "item_id"})
    formats = _formats(rows, columns.get("published_at"))
    return CatalogueDraft(file=file, item_type=item_type, columns=columns, time_formats=formats, unused=_unused(rows, columns))


def declared_of_items(
    catalogue: Path, histories: Sequence[Path], declared: Mapping[str, str], *, header: bool = True
) -> dict[str, str]:
    """`declared`, and the catalogue's column of ids where no name tells it and what the histories hold does."""
    rows = sample(catalogue)
    if "item_id" in guess_fields(rows, ("item_id",), _declared_of(rows, declared, ITEM_FIELDS)):
        return dict(declared)
    column = shared_ids(rows, [sample(history, header=header) for history in histories])
    return {**declared, **({"item_id": column} if column else {})}


def known_items(catalogue: Path, declared: Mapping[str, str]) -> frozenset[str]:
    """Ids of the first items of a catalogue; none where no column is found that holds them."""
    rows = sample(catalogue)
    column = guess_items(rows, _declared_of(rows, declared, ITEM_FIELDS)).get("item_id")
    return frozenset(str(cell) for cell in cells_of(rows, column)) if column else frozenset()


def finish_drafts(drafts: list[HistoryDraft]) -> set[str]:
    """All events that the files hold; where none says what was shown, sampled impressions are set to stand in.

    A file of which some rows are another event besides follows once more, as that event, unless it was named for it.
    Files without times are put in the order in which things happen: rows of one user and item follow in the order of their files.
    """
    named = {(draft.file, kind) for draft in drafts for kind in draft.kinds}
    drafts += [more for draft in drafts if (more := draft.besides) and (more.file, more.event) not in named]
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


def _declared_of(rows: Sequence[dict[str, Any]], declared: Mapping[str, str], fields: Sequence[str]) -> dict[str, str]:
    """What is said of this file: of the fields that it may have, in columns that it has, or in none."""
    present = columns_of(rows)
    return {name: column for name, column in declared.items() if name in fields and (column in present or not column)}


def _in_order(columns: Mapping[str, str], fields: Sequence[str]) -> dict[str, str]:
    return {name: columns[name] for name in fields if columns.get(name)}


def _formats(rows: Sequence[dict[str, Any]], column: str | None) -> tuple[str, ...]:
    return (formats_of(cells_of(rows, column)) or ()) if column else ()


def _unused(rows: Sequence[dict[str, Any]], columns: Mapping[str, str]) -> list[str]:
    return [name for name in columns_of(rows) if name not in columns.values()]


def _require(file: Path, rows: Sequence[dict[str, Any]], columns: Mapping[str, str], needed: Mapping[str, str]) -> None:
    """Raises HistoryFileError that names the fields without a column; `needed` has their meanings."""
    if missing := [name for name in needed if name not in columns]:
        meanings = ", nor like ".join(needed[name] for name in missing)
        flags = " ".join(f"--column {name}=COLUMN" for name in missing)
        present = columns_of(rows)
        lone = " (a single one: fields are parted by , or ; or | or a tab)" if len(present) == 1 else ""
        raise HistoryFileError(
            f"{file}: no column looks like {meanings}; say which it is: {flags}, of {', '.join(present)}{lone}"
        )


def _highest(rows: Sequence[dict[str, Any]], column: str | None) -> float | None:
    values = (number_of(row.get(column or "")) for row in rows)
    return max((value for value in values if value is not None), default=None)
