"""A catalogue in the making: what the columns of a file of items mean, and how its ids differ from those of the histories."""

from collections.abc import Iterable, Mapping, Sequence

from deploy.dataset.files import HistoryFileError
from deploy.dataset.guess.draft import declared_of, time_forms
from deploy.dataset.guess.evidence import are_numbers, item_evidence, shared_ids, usable
from deploy.dataset.guess.names import FIELDS, ITEM_FIELDS, guess_fields, plain
from deploy.dataset.guess.profile import Profile
from deploy.dataset.messages import is_change
from deploy.dataset.values.ids import same_by
from deploy.dataset.values.lists import parted_by
from deploy.dataset.write import CatalogueDraft, HistoryDraft

__all__ = ["declared_of_items", "draft_catalogue", "known_items", "ways_between"]

_MISSED = 0.1
_HALF = 0.5
ATTRIBUTES = "attributes."


def draft_catalogue(profile: Profile, item_type: str, declared: Mapping[str, str] | None = None) -> CatalogueDraft:
    """What a file of items holds; one of catalogue messages, as `headwater produce --catalogue` takes them, needs no columns.

    Args:
        declared: column by field; by `attributes.NAME` too.

    Raises:
        HistoryFileError: no column looks like the item's id.
    """
    draft = CatalogueDraft(file=profile.location, item_type=item_type, columns={}, header=profile.header)
    draft.encoding, draft.separator, draft.notes = profile.form.encoding, profile.form.separator, list(profile.notes)
    if is_change(profile.sample[0]):
        return draft
    declared = declared or {}
    columns = _columns(profile, declared_of(profile, declared, ITEM_FIELDS))
    if "item_id" not in columns:
        raise HistoryFileError(
            f"{profile.location}: no column looks like item_id; say which it is: --column item_id=COLUMN, "
            f"of {', '.join(profile.names)}"
        )
    draft.columns = {name: columns[name] for name in ITEM_FIELDS if columns.get(name)}
    draft.attributes = {
        name.removeprefix(ATTRIBUTES): column
        for name, column in declared.items()
        if name.startswith(ATTRIBUTES) and column in profile.columns
    }
    if column := draft.columns.get("published_at"):
        cells = profile.cells(column)
        draft.time_formats, unread = time_forms(cells)
        if unread is not None and not are_numbers(cells):
            draft.notes.append(
                f"column {column!r} is taken for published_at, but {str(unread)[:40]!r} is no time of a known form"
            )
    if column := draft.columns.get("categories"):
        draft.categories_parted_by = parted_by(profile.cells(column))
        more = [name for name in profile.names if _names_categories(name) and name not in draft.columns.values()]
        draft.more_categories = [name for name in more if "category" in plain(name)]
    used = {*draft.columns.values(), *draft.attributes.values(), *draft.more_categories}
    draft.unused = [name for name in profile.names if name not in used]
    return draft


def _columns(profile: Profile, declared: Mapping[str, str]) -> dict[str, str]:
    can = usable(profile)
    can["published_at"] = [name for name in profile.names if profile.columns[name].cells]
    can.pop("event", None)
    return item_evidence(profile, guess_fields(profile.names, ITEM_FIELDS, declared, usable=can))


def _names_categories(name: str) -> bool:
    return plain(name) in FIELDS["categories"]


def declared_of_items(catalogue: Profile, histories: Sequence[Profile], declared: Mapping[str, str]) -> dict[str, str]:
    """`declared`, and the catalogue's column of ids where no name tells it and what the histories hold does."""
    given = declared_of(catalogue, declared, ITEM_FIELDS)
    if "item_id" in guess_fields(catalogue.names, ("item_id",), given, usable=usable(catalogue)):
        return dict(declared)
    column = shared_ids(catalogue, histories)
    return {**declared, **({"item_id": column} if column else {})}


def known_items(catalogue: Profile, declared: Mapping[str, str]) -> frozenset[str]:
    """Ids of the items of a catalogue; none where no column is found that holds them."""
    if is_change(catalogue.sample[0]):
        return frozenset(str(row["upsert"].get("item_id")) for row in catalogue.sample if isinstance(row.get("upsert"), dict))
    column = _columns(catalogue, declared_of(catalogue, declared, ITEM_FIELDS)).get("item_id")
    return frozenset(catalogue.columns[column].counts) if column else frozenset()


def ways_between(
    drafts: Iterable[HistoryDraft], profiles: Mapping[str, Profile], items: Iterable[str]
) -> tuple[tuple[str, ...], list[str]]:
    """The ways by which ids must be normalized for files to speak of the same users and items, and what to say of that."""
    found: dict[str, None] = {}
    told: list[str] = []
    known, users = set(items), set[str]()
    for draft in drafts:
        profile = profiles[draft.file]
        for field, others in (("item_id", known), ("user_id", users)):
            column = draft.columns.get(field)
            if not column or not others:
                continue
            mine = set(profile.columns[column].counts)
            strange = mine - others
            if not mine or len(strange) <= _MISSED * len(mine):
                continue
            ways, pairs = same_by(strange, others)
            if len(pairs) >= _HALF * len(strange):
                one, other = next(iter(pairs.items()))
                found.update(dict.fromkeys(ways))
                told.append(
                    f"{len(pairs):,} of {len(mine):,} ids in column {column!r} differ from the others only by "
                    f"{' and '.join(ways)}, such as {one!r} and {other!r}: they are taken as the same (normalize_ids)"
                )
        if "user_id" in draft.columns:
            users |= set(profile.columns[draft.columns["user_id"]].counts)
    return tuple(found), told
