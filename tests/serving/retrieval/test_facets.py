"""The columns behind filters: every kind of condition, kept as the catalogue changes, the same as a loop over items would say."""

import time
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.items.table import ItemTable
from headwater.v1.catalogue_pb2 import Item
from serving.api.errors import InvalidRequest
from serving.api.requests import Condition
from serving.retrieval.facets import ItemFacets
from tests.serving.worlds import DIMENSIONS, VOCABULARY

WORDS = ("a", "b", "en", "en-GB", "zh-Hans", "3", "10.5")


def catalogue(*items: Item) -> tuple[ItemTable, ItemFacets]:
    """A table that its facets have followed from the second item on, and have read the first of."""
    table = ItemTable(VOCABULARY, dimensions=DIMENSIONS, capacity=2)
    for item in items[:1]:
        table.set_content(item, None)
    facets = ItemFacets(table)
    for item in items[1:]:
        table.set_content(item, None)
    return table, facets


def found(table: ItemTable, facets: ItemFacets, condition: Condition) -> list[str]:
    holds = facets.holds(condition, slice(0, len(table)))
    return [item_id for item_id, one in zip(table.ids, holds, strict=True) if one]


ITEMS = (
    Item(
        item_id="p", type="product", categories=["shoes", "sport"], language="en", attributes={"price": "49.90", "brand": "Acme"}
    ),
    Item(item_id="q", type="product", categories=["shoes"], language="en-GB", attributes={"price": "120"}),
    Item(item_id="r", type="article", language="english", attributes={"price": "on request"}),
)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition(field="type", any_of=("article", "video")), ["r"]),
        (Condition(field="category", any_of=("sport",)), ["p"]),
        (Condition(field="category", none_of=("sport",)), ["q", "r"]),
        (Condition(field="category", any_of=("shoes",), none_of=("sport",)), ["q"]),
        (Condition(field="language", any_of=("en",)), ["p", "q"]),
        (Condition(field="language", any_of=("en-GB",)), ["q"]),
        (Condition(field="attributes.brand", any_of=("Acme",)), ["p"]),
        (Condition(field="attributes.brand", none_of=("Acme",)), ["q", "r"]),
        (Condition(field="attributes.price", at_most=50.0), ["p"]),
        (Condition(field="attributes.price", at_least=49.9, at_most=120.0), ["p", "q"]),
        (Condition(field="attributes.price", at_least=500.0), []),
        (Condition(field="type", any_of=("never heard of",)), []),
    ],
)
def test_condition_holds_where_it_says(condition: Condition, expected: list[str]) -> None:
    """Values, several values, prefixes of languages, numbers, and items that lack the field."""
    assert found(*catalogue(*ITEMS), condition) == expected


def test_changed_item_is_found_by_its_new_values_only() -> None:
    """The catalogue's next record replaces all that the item had."""
    table, facets = catalogue(*ITEMS)
    table.set_content(Item(item_id="p", type="article", categories=["hats"]), None)
    assert found(table, facets, Condition(field="category", any_of=("shoes", "sport"))) == ["q"]
    assert found(table, facets, Condition(field="category", any_of=("hats",))) == ["p"]
    assert found(table, facets, Condition(field="attributes.price", at_least=0.0)) == ["q"]


def test_unknown_field_is_named_with_those_that_exist() -> None:
    """A typing error is no empty list; before there is a catalogue no attribute is known."""
    table, facets = catalogue(*ITEMS)
    with pytest.raises(InvalidRequest, match=r"'attributes.colour' is not known; there are: attributes.brand, attributes.price"):
        found(table, facets, Condition(field="attributes.colour", any_of=("red",)))
    with pytest.raises(InvalidRequest, match="'colour' is not known"):
        found(*catalogue(), Condition(field="colour", any_of=("red",)))
    assert found(*catalogue(), Condition(field="attributes.colour", any_of=("red",))) == []


@given(
    st.lists(st.tuples(st.integers(0, 5), st.lists(st.sampled_from(WORDS), max_size=3)), max_size=20),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
)
def test_columns_agree_with_a_loop_over_the_items(changes: list[tuple[int, list[str]]], wanted: list[str]) -> None:
    """Whatever was changed in which order, and however wide items have become meanwhile."""
    items = [Item(item_id=str(number), type="article", categories=words) for number, words in changes]
    table, facets = catalogue(*items)
    last = {item.item_id: item for item in items}
    expected = [item_id for item_id in table.ids if set(last[item_id].categories) & set(wanted)]
    assert found(table, facets, Condition(field="category", any_of=tuple(wanted))) == expected


def cost(entries: Sequence[Item]) -> tuple[float, int]:
    """CPU seconds and bytes of facets over a catalogue of 20,000 items and these."""
    table = ItemTable(VOCABULARY, dimensions=DIMENSIONS, capacity=32_768)
    for number in range(20_000):
        table.set_content(Item(item_id=f"i{number}", type="film"), None)
    facets = ItemFacets(table)
    tracemalloc.start()
    began = time.process_time()
    for entry in entries:
        table.set_content(entry, None)
    took, (used, _) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found(table, facets, Condition(field=f"attributes.{next(iter(entries[-1].attributes))}", any_of=("x",))) == [
        entries[-1].item_id
    ]
    return took, used


def test_many_names_cost_as_much_as_the_entries_that_carry_them() -> None:
    """Four thousand names of one item, or one each of four thousand items: linear in them, however many other items there are."""
    few, many = (
        [Item(item_id="o", type="film", attributes={f"a{number}": "x" for number in range(count)})] for count in (500, 4_000)
    )
    apart = [Item(item_id=f"o{number}", type="film", attributes={f"a{number}": "x"}) for number in range(4_000)]
    (few_seconds, few_bytes), (many_seconds, many_bytes), (apart_seconds, apart_bytes) = map(cost, (few, many, apart))
    assert many_bytes < 12 * few_bytes
    assert apart_bytes < 16 * few_bytes
    assert many_bytes < 4_000 * 4_096  # a column with a place for each item would take 80,000
    assert many_seconds < 24 * few_seconds
    assert apart_seconds < 80 * few_seconds


def test_names_that_no_item_has_any_more_take_no_column() -> None:
    """An item that changes its only attribute a thousand times; the names are still no typing errors."""
    table, facets = catalogue(*ITEMS)
    for number in range(1_000):
        table.set_content(Item(item_id="r", type="article", attributes={f"a{number}": "x"}), None)
    assert found(table, facets, Condition(field="attributes.a7", any_of=("x",))) == []
    assert found(table, facets, Condition(field="attributes.a999", any_of=("x",))) == ["r"]
    table.delete("r")
    assert found(table, facets, Condition(field="attributes.a999", any_of=("x",))) == []
    assert found(table, facets, Condition(field="attributes.brand", none_of=("x",))) == ["p", "q", "r"]


CHANGES = st.tuples(st.integers(0, 90), st.sampled_from(("brand", "price")), st.sampled_from(("", "a", "3")))


@settings(max_examples=50)
@given(st.lists(CHANGES, max_size=200), st.booleans())
def test_a_column_that_fills_and_empties_says_what_the_items_say(changes: list[tuple[int, str, str]], grows: bool) -> None:
    """Whether it is kept by row or by entry, and as the table grows."""
    table, facets = catalogue()
    have: dict[str, dict[str, str]] = {}
    for number, name, value in changes:
        have[f"i{number}"] = {name: value} if value else {}
        table.set_content(Item(item_id=f"i{number}", type="film", attributes=have[f"i{number}"]), None)
    for number in range(1_200 if grows else 0):
        table.set_content(Item(item_id=f"o{number}", type="film"), None)
    for name, value in (("brand", "a"), ("price", "3")):
        if not any(name in carried for carried in have.values()):
            continue
        expected = {item_id for item_id, carried in have.items() if carried.get(name) == value}
        assert set(found(table, facets, Condition(field=f"attributes.{name}", any_of=(value,)))) == expected
        rows = np.flatnonzero(table.live[: len(table)])[::-1]
        codes = facets.codes(f"attributes.{name}", rows)
        assert [bool(code) for [code] in codes.tolist()] == [name in have.get(table.ids[row], ()) for row in rows.tolist()]
