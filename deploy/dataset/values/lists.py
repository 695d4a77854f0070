"""Several values in one cell: lists written out, JSON, or values parted by a sign."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from deploy.dataset.values.ids import is_missing

__all__ = ["is_list", "list_of", "parted_by", "parts_of_cell"]

SIGNS = ("|", ";", ",", " > ", "/", " ")
_WRITTEN = re.compile(r"\s*[\[({].*[\])}]\s*", re.DOTALL)
_ARRAY = re.compile(r"\[\s*\S+(?:\s+\S+)*\s*\]", re.DOTALL)
_SHARE = 0.2
_HALF = 0.5
_MOST_WORDS = 4


def list_of(value: Any) -> list[Any] | None:
    """The values in a cell that is a list, or is written as one; None where it is no list.

    >>> list_of(["a"]), list_of("['a', 'b']"), list_of('["a", null]'), list_of("[1 2\\n 3]"), list_of("{a,b}"), list_of("a, b")
    (['a'], ['a', 'b'], ['a', None], ['1', '2', '3'], ['a', 'b'], None)
    """
    if isinstance(value, (list, tuple, set)):
        return list(value)
    if hasattr(value, "tolist"):
        return list(value.tolist())
    if not isinstance(value, str) or not _WRITTEN.fullmatch(value):
        return None
    text = value.strip()
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found = None
    if isinstance(found, (list, tuple, set)):
        return list(found)
    if isinstance(found, dict):
        return None
    inside = text[1:-1].strip()
    if text[0] == "[" and _ARRAY.fullmatch(text) and "," not in text:  # as NumPy prints them
        return [part.strip("'\"") for part in inside.split()]
    if text[0] in "[{" and ":" not in inside:  # as Postgres writes arrays, and lists of bare words
        return [part.strip().strip("'\"") for part in inside.split(",")] if inside else []
    return None


def is_list(value: Any, signs: Sequence[str] = ()) -> bool:
    """Whether a cell is a list, or holds one of the signs between its values."""
    return list_of(value) is not None or (isinstance(value, str) and any(sign in value.strip() for sign in signs))


def parts_of_cell(value: Any, sign: str = "") -> list[Any]:
    """The values of a cell: of a list, or what the sign parts; missing ones are left out.

    >>> parts_of_cell("Horror|Sci-Fi", "|"), parts_of_cell("['a', None]"), parts_of_cell("a b", "")
    (['Horror', 'Sci-Fi'], ['a'], ['a b'])
    """
    found = list_of(value)
    if found is None:
        if is_missing(value):
            return []
        found = str(value).split(sign) if sign and isinstance(value, str) else [value]
    cells = (part.strip() if isinstance(part, str) else part for part in found)
    return [part for part in cells if not is_missing(part)]


def parted_by(values: Iterable[Any]) -> str:
    """The sign that parts the categories of a column; empty where each cell is one, or a list that needs none.

    A sign parts values only where one of them comes in several combinations: "Food, Drink" alone is a name with a comma.

    >>> parted_by(["light, home", "oak, home", "oak"]), parted_by(["Food, Drink", "Toys"]), parted_by(["['a']"])
    (',', '', '')
    """
    texts = [value for value in values if isinstance(value, str) and not is_missing(value) and list_of(value) is None]
    for sign in SIGNS[:-1]:
        cut = [text for text in set(texts) if sign in text]
        if len(cut) < 2 or sum(sign in text for text in texts) < _SHARE * len(texts):
            continue
        parts = Counter(part.strip() for text in set(texts) for part in set(text.split(sign)))
        words = max(len(part.split()) for part in parts)
        again = sum(any(parts[part.strip()] > 1 for part in text.split(sign)) for text in cut)
        if words <= _MOST_WORDS and again >= _HALF * len(cut):
            return sign.strip() or sign
    return ""
