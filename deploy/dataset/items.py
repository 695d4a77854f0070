"""Rows of a catalogue as items, checked as the stream checks them."""

import re
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from deploy.dataset.events import time_of
from deploy.dataset.messages import is_change
from deploy.dataset.project import Catalogue
from deploy.dataset.rejects import RowError
from deploy.dataset.values.ids import NotAnId, id_of, is_missing
from deploy.dataset.values.lists import parts_of_cell
from deploy.dataset.values.numbers import number_of
from feature_repo.decode import check_change
from headwater.v1.catalogue_pb2 import CatalogueChange, Item

__all__ = ["ItemReader"]

_TYPE = re.compile(r"[^a-z0-9_.-]+")
_YEARS = range(1000, 3000)


class ItemReader:
    """Reads the rows of a catalogue."""

    def __init__(self, catalogue: Catalogue, *, ways: Sequence[str] = (), zone: tzinfo, now: float) -> None:
        """Args: `ways` in which ids are normalized; `zone` of times that name none."""
        self._catalogue, self._ways, self._zone, self._now = catalogue, ways, zone, now
        categories = catalogue.columns.categories
        self.notes: list[RowError] = []
        """What of the last row could not be used, although the row was."""
        self._categories = (categories,) if isinstance(categories, str) else categories

    def read(self, row: Mapping[str, Any]) -> CatalogueChange:
        """The change that a row says.

        Raises:
            RowError: the row is no item, or the stream would reject it.
        """
        self.notes.clear()
        change = self._message(row) if is_change(row) else CatalogueChange(upsert=self._item(row))
        if (rejection := check_change(change, self._now)) is not None:
            raise RowError(rejection.detail.partition(":")[0], rejection.detail)
        return change

    def _message(self, row: Mapping[str, Any]) -> CatalogueChange:
        try:
            return ParseDict(dict(row), CatalogueChange())
        except ParseError as error:
            raise RowError("no change in the JSON form of `headwater produce --catalogue`", str(error)) from error

    def _item(self, row: Mapping[str, Any]) -> Item:
        columns = self._catalogue.columns
        try:
            item_id = id_of(row.get(columns.item_id), self._ways)
        except NotAnId as error:
            raise RowError(f"column {columns.item_id!r} {error}", f"column {columns.item_id!r} {error}") from error
        if item_id is None:
            kind = f"column {columns.item_id!r} is missing or empty"
            raise RowError(kind, f"{kind}; the row has {', '.join(map(str, row)) or 'nothing'}")
        item = Item(
            item_id=item_id,
            type=_TYPE.sub("_", (_text(row.get(columns.type)) or self._catalogue.item_type).lower()).strip("_.-") or "item",
            title=_text(row.get(columns.title)),
            text=_text(row.get(columns.text)),
            language=_text(row.get(columns.language)),
        )
        sign = self._catalogue.categories_parted_by
        found = [part for name in self._categories for part in parts_of_cell(row.get(name), sign)]
        item.categories.extend(dict.fromkeys(part for part in map(_text, found) if part))
        for name, column in columns.attributes.items():
            if value := _text(row.get(column)):
                item.attributes[name] = value
        if not is_missing(published := row.get(columns.published_at)):
            if (year := number_of(published)) is not None and year in _YEARS:
                published = f"{year:.0f}-01-01"
            try:
                at = time_of(published, columns.published_at, self._catalogue.time_formats, self._zone)
                item.published_at.FromMicroseconds(round(at * 1e6))
            except RowError as error:
                self.notes.append(error)
        return item


def _text(cell: Any) -> str:
    if is_missing(cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip()
