"""Columns that lists are filtered, capped and boosted by: type, category, language and attributes of every item."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from feature_repo.items.table import ItemTable
from serving.api.errors import InvalidRequest, shown
from serving.api.requests import Condition

__all__ = ["ATTRIBUTE", "ItemFacets"]

ATTRIBUTE = "attributes."
_LOOKED_AT, _NAMED = 100, 10  # names in an error
_REMEMBERED = 10_000
_SPARSE_SHARE = 1 / 32  # of the items; a dense column costs less memory from there on, as an entry takes over a hundred bytes
_MAX_VALUES = 64  # of one item and field: a column is as wide as its widest item

_Rows: TypeAlias = "NDArray[np.intp] | slice"


class _Facet:
    """The values of one field by row, as codes: (M, K) with K the most values of one item; 0 for none.

    One writer; a reader may meet a code that is newer than the values it looked at, and takes it for none of them.
    """

    def __init__(self, capacity: int) -> None:
        self.codes: dict[str, int] = {}
        self._numbers = np.full(16, np.nan)  # of code c at c; NaN where the value is no number
        self._codes_MK = np.zeros((capacity, 1), dtype=np.int32)

    def sparse(self) -> "_SparseFacet":
        """The first value of every row that has one, with no place for the others."""
        rows = np.flatnonzero(self._codes_MK[:, 0])
        made = _SparseFacet()
        made.codes, made._numbers = self.codes, self._numbers
        made._code_of = dict(zip(rows.tolist(), self._codes_MK[rows, 0].tolist(), strict=True))
        return made

    @property
    def used(self) -> int:
        """Rows that have a value."""
        return int(np.count_nonzero(self._codes_MK[:, 0]))

    def grow(self, capacity: int, width: int) -> None:
        have, wide = self._codes_MK.shape
        if capacity > have or width > wide:
            grown = np.zeros((max(have, capacity), max(wide, width)), dtype=np.int32)
            grown[:have, :wide] = self._codes_MK
            self._codes_MK = grown

    def put(self, row: int, values: Sequence[str]) -> None:
        self.grow(0, len(values))
        codes = [self.codes.get(value) or self._new(value) for value in values]
        self._codes_MK[row] = codes + [0] * (self._codes_MK.shape[1] - len(codes))

    def of(self, rows: _Rows) -> NDArray[np.int32]:
        """Codes of the given rows, (B, K)."""
        return self._codes_MK[rows]

    def holds(self, condition: Condition, rows: _Rows, *, prefixes: bool) -> NDArray[np.bool_]:
        """Which of the rows meet the condition, (B,)."""
        codes_BK = self.of(rows)
        holds_B = np.ones(len(codes_BK), dtype=bool)
        if condition.any_of:
            holds_B &= self._among(self._named(condition.any_of, prefixes), codes_BK)
        if condition.none_of:
            holds_B &= ~self._among(self._named(condition.none_of, prefixes), codes_BK)
        if condition.ranged:
            low = -np.inf if condition.at_least is None else condition.at_least
            high = np.inf if condition.at_most is None else condition.at_most
            numbers = self._numbers
            holds_B &= self._among(np.flatnonzero((numbers >= low) & (numbers <= high)), codes_BK)
        return holds_B

    def _among(self, wanted: Sequence[int] | NDArray[np.intp], codes_BK: NDArray[np.int32]) -> NDArray[np.bool_]:
        # One cell a code and one after them, which stands for the codes that are newer: a lookup costs the same for any number.
        allowed = np.zeros(len(self._numbers) + 1, dtype=bool)
        allowed[wanted] = True
        found_BK: NDArray[np.bool_] = allowed.take(codes_BK, mode="clip")
        found_B: NDArray[np.bool_] = np.logical_or.reduce(found_BK, axis=1)
        return found_B

    def _named(self, values: Iterable[str], prefixes: bool) -> list[int]:
        if not prefixes:
            return [code for value in values if (code := self.codes.get(value))]
        stems = set(values)
        return [code for value, code in list(self.codes.items()) if any(stem in stems for stem in _stems(value))]

    def _new(self, value: str) -> int:
        code = len(self.codes) + 1
        if code == len(self._numbers):
            self._numbers = np.concatenate((self._numbers, np.full(code, np.nan)))
        try:
            self._numbers[code] = float(value)
        except ValueError:
            self._numbers[code] = np.nan
        self.codes[value] = code
        return code


class _SparseFacet(_Facet):
    """A facet that few items have, one value each: takes memory for these alone."""

    def __init__(self) -> None:
        super().__init__(0)
        self._code_of: dict[int, int] = {}
        self._sorted: tuple[NDArray[np.intp], NDArray[np.int32]] | None = None

    @property
    def used(self) -> int:
        return len(self._code_of)

    def grow(self, capacity: int, width: int) -> None:
        """Does nothing: a row that it does not have takes no place."""

    def put(self, row: int, values: Sequence[str]) -> None:
        for value in values[:1]:
            self._code_of[row] = self.codes.get(value) or self._new(value)
        if not values:
            self._code_of.pop(row, None)
        self._sorted = None

    def of(self, rows: _Rows) -> NDArray[np.int32]:
        known, codes = self._by_row()
        if isinstance(rows, slice):
            found = np.zeros(rows.stop, dtype=np.int32)
            inside = known < rows.stop
            found[known[inside]] = codes[inside]
            return found[rows, np.newaxis]
        if not len(known):
            return np.zeros((len(rows), 1), dtype=np.int32)
        at = np.searchsorted(known, rows).clip(max=len(known) - 1)
        return np.where(known[at] == rows, codes[at], 0)[:, np.newaxis]

    def dense(self, capacity: int) -> _Facet:
        """The same values, with a place for every row."""
        made = _Facet(capacity)
        rows, codes = self._by_row()
        made.codes, made._numbers = self.codes, self._numbers
        made._codes_MK[rows, 0] = codes
        return made

    def _by_row(self) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        if (found := self._sorted) is None:
            code_of = self._code_of.copy()  # the writer may be at work
            rows = np.fromiter(code_of.keys(), dtype=np.intp, count=len(code_of))
            codes = np.fromiter(code_of.values(), dtype=np.int32, count=len(code_of))
            order = np.argsort(rows)
            found = self._sorted = rows[order], codes[order]
        return found


class ItemFacets:
    """The facets of a table's items, kept with it: the table's writer tells of each entry that it takes over.

    Takes four bytes for each item and value, and each distinct value once. An attribute that few items have takes memory for
    those alone, so any number of names costs as much as the entries that carry them. Of one item's categories the first 64 count.
    """

    def __init__(self, table: ItemTable) -> None:
        self._table = table
        self._keys_M = np.zeros(max(len(table), 1024), dtype=np.uint64)
        self._fields = {name: _Facet(self.capacity) for name in ("type", "category", "language")}
        self._attributes: list[tuple[str, ...]] = []
        """Of each row, the fields that its attributes are in."""
        self._same: dict[tuple[str, ...], tuple[str, ...]] = {}
        """Each combination of them once, since most items of a catalogue have the same."""
        self._former: dict[str, None] = {}
        """Attributes that no item has any more; the latest of them, for which a condition is not a typing error."""
        for row in range(len(table)):
            self._follow(row)
        table.followers.append(self._follow)

    @property
    def capacity(self) -> int:
        """Rows that can be asked about; every live one is below it."""
        return len(self._keys_M)

    def check(self, field: str) -> None:
        """Raises InvalidRequest for a field that no item has had; an empty catalogue leaves attributes unjudged."""
        had = field in self._fields or field in self._former
        if not had and not (field.startswith(ATTRIBUTE) and not self._table.live.any()):
            raise InvalidRequest("field", f"'{shown(field)}' is not known; there are: {_some(self._fields)}")

    def has(self, field: str, value: str) -> bool:
        """Whether an item has ever had the value in a known field."""
        return value in self._fields[field].codes

    def some_values(self, field: str) -> str:
        """For a person to read: values that a known field has had, all where they are few."""
        return _some(self._fields[field].codes)

    def holds(self, condition: Condition, rows: _Rows) -> NDArray[np.bool_]:
        """Which of the rows meet the condition, (B,); raises InvalidRequest as `check` does."""
        return self._facet(condition.field).holds(condition, rows, prefixes=condition.field == "language")

    def codes(self, field: str, rows_B: NDArray[np.intp]) -> NDArray[np.int32]:
        """The rows' values of a field as numbers, (B, K), 0 for none; raises InvalidRequest as `check` does."""
        return self._facet(field).of(rows_B)

    def keys(self, rows_B: NDArray[np.intp]) -> NDArray[np.uint64]:
        """A hash of each row's item id, (B,): an order of items that is the same on every replica."""
        return self._keys_M[rows_B]

    def _facet(self, field: str) -> _Facet:
        self.check(field)
        return self._fields.get(field) or _Facet(self.capacity)

    def _follow(self, row: int) -> None:
        item = self._table.content[row]
        if row >= self.capacity:
            self._grow(2 * row)
        carried: dict[str, str] = {}
        if item is not None:  # of one that is deleted only attributes are forgotten, as no row is drawn that is not live
            self._keys_M[row] = int.from_bytes(blake2b(item.item_id.encode(), digest_size=8).digest(), "little")
            self._put("type", row, [item.type])
            self._put("category", row, list(dict.fromkeys(item.categories))[:_MAX_VALUES])
            self._put("language", row, [item.language])
            carried = {f"{ATTRIBUTE}{name}": value for name, value in item.attributes.items()}
        self._attributes += [()] * (row + 1 - len(self._attributes))
        for name in self._attributes[row]:
            if name not in carried:
                self._put(name, row, [])
        for name, value in carried.items():
            self._put(name, row, [value])
        names = tuple(carried)
        if len(self._same) >= _REMEMBERED:
            self._same.clear()
        self._attributes[row] = self._same.setdefault(names, names)

    def _grow(self, capacity: int) -> None:
        for name, facet in list(self._fields.items()):
            if name.startswith(ATTRIBUTE) and facet.used <= _SPARSE_SHARE * capacity and not isinstance(facet, _SparseFacet):
                self._fields[name] = facet.sparse()
            else:
                facet.grow(capacity, 0)
        self._keys_M = np.concatenate((self._keys_M, np.zeros(capacity - self.capacity, dtype=np.uint64)))

    def _put(self, name: str, row: int, values: Sequence[str]) -> None:
        facet = self._fields.get(name)
        if facet is None:
            facet = self._fields[name] = _SparseFacet()
            self._former.pop(name, None)
        facet.put(row, [value for value in values if value])
        if not isinstance(facet, _SparseFacet):
            return
        if facet.used > _SPARSE_SHARE * self.capacity:
            self._fields[name] = facet.dense(self.capacity)
        elif not facet.used:
            self._former[name] = None
            del self._fields[name]
            if len(self._former) > _REMEMBERED:
                self._former.pop(next(iter(self._former)), None)


def _stems(language: str) -> Iterator[str]:
    """The language itself, and what it is a script or region of.

    >>> list(_stems("zh-Hans-CN"))
    ['zh-Hans-CN', 'zh-Hans', 'zh']
    """
    while language:
        yield language
        language = language.rpartition("-")[0]


def _some(names: Mapping[str, object]) -> str:
    """The first in alphabetical order of the first hundred names, so that saying them costs the same for any number."""
    first = sorted(islice(list(names), _LOOKED_AT))[:_NAMED]
    more = len(names) - len(first)
    return ", ".join(map(shown, first)) + (f" and {more} more" if more else "")
