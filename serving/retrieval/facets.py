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
        codes_BK = self._codes_MK[rows]
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


class ItemFacets:
    """The facets of a table's items, kept with it: the table's writer tells of each entry that it takes over.

    Takes four bytes for each item and value, and each distinct value once. Of one item's categories the first 64 count.
    """

    def __init__(self, table: ItemTable) -> None:
        self._table = table
        self._keys_M = np.zeros(max(len(table), 1024), dtype=np.uint64)
        self._fields = {name: _Facet(self.capacity) for name in ("type", "category", "language")}
        for row in range(len(table)):
            self._follow(row)
        table.followers.append(self._follow)

    @property
    def capacity(self) -> int:
        """Rows that can be asked about; every live one is below it."""
        return len(self._keys_M)

    def check(self, field: str) -> None:
        """Raises InvalidRequest for a field that no item has ever had; an empty catalogue leaves attributes unjudged."""
        if field not in self._fields and not (field.startswith(ATTRIBUTE) and not self._table.live.any()):
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
        if item is None:  # its codes may stay: no row is drawn that is not live
            return
        if row >= self.capacity:
            for facet in self._fields.values():
                facet.grow(2 * row, 0)
            self._keys_M = np.concatenate((self._keys_M, np.zeros(2 * row - self.capacity, dtype=np.uint64)))
        self._keys_M[row] = int.from_bytes(blake2b(item.item_id.encode(), digest_size=8).digest(), "little")
        carried = {
            "type": [item.type],
            "category": list(dict.fromkeys(item.categories))[:_MAX_VALUES],
            "language": [item.language],
        }
        carried |= {f"{ATTRIBUTE}{name}": [value] for name, value in item.attributes.items()}
        for name in carried.keys() - self._fields.keys():
            self._fields[name] = _Facet(self.capacity)
        for name, facet in self._fields.items():
            facet.put(row, [value for value in carried.get(name, ()) if value])


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
