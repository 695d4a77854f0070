"""The columns behind filters: every kind of condition, kept as the catalogue changes, the same as a loop over items would say."""

import pytest
from hypothesis import given
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
