"""A project in the making: what is declared of a file, completed by what its columns' names and values tell."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Any

from deploy.dataset.files import HistoryFileError
from deploy.dataset.guess.forms import bodies, guess_form
from deploy.dataset.guess.list_columns import looks_like_lists
from deploy.dataset.guess.names import HISTORY_FIELDS, names_of_events, unit_called
from deploy.dataset.guess.profile import Profile
from deploy.dataset.guess.users import is_close, user_candidates
from deploy.dataset.values.numbers import decimal_sign_of, number_of, says_nothing, seconds_of
from deploy.dataset.values.times import formats_of, joined, number_forms, unix_seconds
from deploy.dataset.write import HistoryDraft

__all__ = ["Declared", "declared_of", "draft_history", "finish_drafts", "time_forms"]

_SAMPLED = 2
_COURSE = ("impression", "click", "purchase")
"""How events of one user and item follow each other where the data has no times; all others come after these."""

_EARLY = 315_532_800.0  # 1980
_NEEDS = {
    "mind": "a column of lists such as `N1-1 N2-0`",
    "ebnerd": "columns of lists of what was shown and what was clicked",
    "flags": "columns of 0 and 1 called such as is_click or purchased",
    "matrix": "a column for each item, with numbers in it",
    "movielens": "a user, an item, a rating and a time",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What the user says of a file of events, before any guess; an empty name in `columns` says that no column holds it."""

    columns: dict[str, str] = field(default_factory=dict)
    """By field; `outcomes.EVENT` and `amounts.EVENT` too."""
    event: str = ""
    value_unit: str = ""
    form: str = ""
    """One of deploy.dataset.guess.forms.FORMATS; empty for what fits."""


def draft_history(
    profile: Profile, declared: Declared | None = None, *, items: Set[str] = frozenset(), zone: tzinfo = UTC
) -> HistoryDraft:
    """What a file of events holds by what is declared and guessed; columns that are declared and that it lacks are left out.

    Args:
        items: ids of items in the catalogue, or some of them.
        zone: of times that name none.

    Raises:
        HistoryFileError: no column is found for what is needed, or what is in it is none; the message says what to do.
    """
    declared = declared or Declared()
    columns = declared_of(profile, declared.columns, HISTORY_FIELDS)
    guess = guess_form(profile, columns, items, only=declared.form)
    if guess is None:
        raise HistoryFileError(f"{profile.location}: is not in the form {declared.form}, which needs {_NEEDS[declared.form]}")
    draft = HistoryDraft(file=profile.location, columns=guess.columns, header=profile.header, form=guess.form)
    draft.encoding, draft.separator = profile.form.encoding, profile.form.separator
    draft.notes += [*profile.notes, *guess.notes]
    if guess.form == "messages":
        draft.columns, draft.held = {}, bodies(profile)
        return draft
    draft.outcomes = {**guess.outcomes, **_under("outcomes.", declared.columns, profile)}
    draft.amounts = {**guess.amounts, **_under("amounts.", declared.columns, profile)}
    draft.matrix = guess.matrix
    draft.event = declared.event or (
        "" if "event" in guess.columns or (draft.outcomes and guess.form == "flags") else guess.event
    )
    if guess.matrix:
        draft.names = _nothing(profile)
    if draft.event:
        guess.columns.pop("event", None)
    elif "event" in guess.columns:
        draft.names = names_of_events(profile.columns[guess.columns["event"]].counts)
    draft.timed = "occurred_at" in guess.columns
    draft.time_formats = _time_formats(profile, draft)
    if "user_id" not in columns and not (guess.matrix and "item_id" in guess.columns):
        _choose_user(profile, draft, zone)
    _require_ids(profile, draft, items)
    if guess.also and draft.event not in ("rate", "read"):
        more = replace(declared, event=guess.also, columns={**declared.columns, **dict.fromkeys(("shown", "acted", "past"), "")})
        more = replace(more, columns={**more.columns, **guess.also_columns}, form="events")
        draft.besides = draft_history(profile, more, items=items, zone=zone)
        draft.columns.pop("value", None)
    _finish_values(profile, draft, declared)
    used = {*draft.columns.values(), *draft.outcomes.values(), *draft.amounts.values()}
    listed = [] if draft.besides or draft.matrix else [name for name in profile.names if name not in used]
    draft.unused = [name for name in listed if not any(isinstance(cell, dict) for cell in profile.cells(name)[:1])]
    return draft


def _under(prefix: str, declared: Mapping[str, str], profile: Profile) -> dict[str, str]:
    """What is declared by names such as outcomes.click."""
    return {
        name.removeprefix(prefix): column
        for name, column in declared.items()
        if name.startswith(prefix) and column in profile.columns
    }


def _nothing(profile: Profile) -> dict[str, str]:
    """Zeros of a matrix, to be passed over where most cells hold one and the others do not."""
    cells = [(value, count) for name in profile.names[1:] for value, count in profile.columns[name].counts.items()]
    zeros = sum(count for value, count in cells if number_of(value) == 0.0)
    most = zeros > 0.5 * sum(count for _, count in cells)
    return {value: "skip" for value, _ in cells if number_of(value) == 0.0} if most else {}


def _choose_user(profile: Profile, draft: HistoryDraft, zone: tzinfo) -> None:
    """Puts the likeliest column in place of the first whose name fits, where several do, and says which is next."""
    taken = [column for name, column in draft.columns.items() if name != "user_id"]
    time_column = draft.columns.get("occurred_at", "") if "clock" not in draft.columns else ""
    found = user_candidates(profile, time_column=time_column, formats=draft.time_formats, zone=zone, without=taken)
    if not found or found[0].score == 0.0:
        return
    draft.columns = {"user_id": found[0].column, **{name: one for name, one in draft.columns.items() if name != "user_id"}}
    if len(found) > 1:
        second = f"{found[1]}: --column user_id={found[1].column} if not"
        draft.close_users = [one.column for one in found[:2]] if is_close(found) else []
        how = "hardly more likely than" if draft.close_users else "rather than"
        draft.notes.append(f"user_id is {found[0]} {how} {second}")


def _require_ids(profile: Profile, draft: HistoryDraft, items: Set[str]) -> None:
    lists = draft.form == "parallel lists"
    needed = {"user_id": "user_id", "item_id": "item_id"}
    if draft.matrix:
        needed = {"item_id": "item_id"} if "item_id" in draft.columns else {"user_id": "user_id"}
    elif draft.columns.keys() & {"shown", "acted", "sequence"}:
        needed.pop("item_id")
    _require(profile, draft.columns, needed)
    for name in () if lists else needed:
        column = draft.columns[name]
        if looks_like_lists(profile.cells(column), items):
            raise HistoryFileError(f"{profile.location}: {_lists_hint(column, profile.cells(column)[0])}")


def _lists_hint(column: str, example: object) -> str:
    return (
        f"column {column!r} holds lists ({str(example)[:60]!r}) that no known form explains; say what they are: "
        f"--column shown={column} (what was shown), acted={column} (those of them acted on), sequence={column} (acted on one "
        f"after the other) or past={column} (acted on before)"
    )


def _finish_values(profile: Profile, draft: HistoryDraft, declared: Declared) -> None:
    """The value column, its unit and its decimal sign, or a note where it holds no number."""
    columns, kinds = draft.columns, draft.kinds
    if not draft.matrix and not draft.outcomes:
        if "read" in kinds:
            _require(profile, columns, {"value": "the time read"})
        elif kinds == {"rate"}:
            _require(profile, columns, {"value": "the rating"})
        elif kinds <= {"click", "impression"}:
            columns.pop("value", None)
    valued = [name for name in (columns.get("value"), *draft.outcomes.values(), *draft.amounts.values()) if name]
    if column := columns.get("value"):
        cells = profile.cells(column)
        if cells and not any(_is_value(cell) for cell in cells):
            example = next((cell for cell in cells if not says_nothing(cell)), cells[0])
            draft.notes.append(f"no cell of column {column!r}, taken for the value, is a number: {str(example)[:40]!r}")
            if not kinds & {"read", "rate"}:
                columns.pop("value")
                valued.remove(column)
    if "read" in kinds or "read" in draft.outcomes:
        timed = draft.amounts.get("read") or draft.outcomes.get("read") or columns.get("value", "")
        draft.value_unit = declared.value_unit or unit_called(timed)
    cells = [cell for name in valued for cell in profile.cells(name)]
    sign = decimal_sign_of(cells)
    if sign and any(number_of(cell) != number_of(cell, sign) for cell in cells):
        draft.decimal = sign
    if "rate" in kinds:
        rated = [value for name in profile.names for value in profile.columns[name].counts] if draft.matrix else None
        values = rated if rated is not None else list(profile.columns[columns["value"]].counts)
        numbers = [number for number in (number_of(value, draft.decimal) for value in values) if number is not None]
        keys = {number_of(value) for value in profile.columns[next(iter(columns.values()))].counts} if draft.matrix else set()
        draft.rated_up_to = max((number for number in numbers if number not in keys), default=None)


def _is_value(cell: Any) -> bool:
    return number_of(cell, ".") is not None or seconds_of(cell) is not None


def _time_formats(profile: Profile, draft: HistoryDraft) -> tuple[str, ...]:
    column = draft.columns.get("occurred_at")
    if column is None:
        return ()
    clock = draft.columns.get("clock")
    cells = profile.cells(column)
    if clock:
        cells = [joined(row[column], row.get(clock)) for row in profile.sample if row.get(column) is not None]
    cells = [one for cell in cells for one in (cell if isinstance(cell, list) else [cell])]
    formats, unread = time_forms(cells)
    if unread is not None:
        draft.notes.append(
            f"column {column!r} is taken for occurred_at, but {str(unread)[:40]!r} is no time of a known form: write "
            'time_formats = ["..."] under [[history]] in headwater.toml, as strptime takes it, such as "%d.%m.%Y %H:%M"'
        )
    return formats


def time_forms(cells: Sequence[Any]) -> tuple[tuple[str, ...], Any]:
    """The forms of a column of times, and a cell that is in none of them where most are not.

    >>> time_forms(["01-Sep-2026 08:07:56"]), time_forms(["soon", "later"]), time_forms([1788250076])
    ((('%d-%b-%Y %H:%M:%S',), None), ((), 'soon'), ((), None))
    """
    formats = formats_of(cells) or number_forms(cells)
    unread = [cell for cell in cells if not _is_time(cell, formats)]
    return formats, unread[0] if unread and 2 * len(unread) > len(cells) else None


def _is_time(cell: Any, formats: Sequence[str]) -> bool:
    try:
        unix_seconds(cell, formats)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def declared_of(profile: Profile, declared: Mapping[str, str], fields: Sequence[str]) -> dict[str, str]:
    """What is declared of this file: of the fields that it may have, in columns that it has, or in none."""
    return {name: column for name, column in declared.items() if name in fields and (column in profile.columns or not column)}


def _require(profile: Profile, columns: Mapping[str, str], needed: Mapping[str, str]) -> None:
    """Raises HistoryFileError that names the fields without a column; `needed` has their meanings."""
    if missing := [name for name in needed if name not in columns]:
        meanings = ", nor like ".join(needed[name] for name in missing)
        flags = " ".join(f"--column {name}=COLUMN" for name in missing)
        present = profile.names
        lone = " (a single one: fields are parted by , or ; or | or :: or a tab)" if len(present) == 1 else ""
        listed = [name for name in present if "item_id" in missing and looks_like_lists(profile.cells(name), frozenset())]
        notes = f"; {'; '.join(profile.notes)}" if profile.notes else ""
        if listed:
            notes += f"; {_lists_hint(listed[0], profile.cells(listed[0])[0])}"
        raise HistoryFileError(
            f"{profile.location}: no column looks like {meanings}; say which it is: {flags}, of {', '.join(present)}{lone}{notes}"
        )


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
    if "impression" not in kinds:
        chosen = kinds - {"read", "rate"} or kinds  # where something else was done, reads and ratings follow from that
        for draft in drafts:
            draft.sampled_impressions = _SAMPLED if draft.kinds & chosen else 0
        kinds.add("impression")
    return kinds


def _course(draft: HistoryDraft) -> int:
    return min(_COURSE.index(kind) if kind in _COURSE else len(_COURSE) for kind in draft.kinds or {""})
