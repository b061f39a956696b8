"""What becomes of attributes on the way to the shared table, and that it is one-to-one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portability.aws.attributes import plain_item, raw_item
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.mapping import AttributeMapping, Unmappable, is_number, spelt, tag_of
from tests.stores.test_digest import NUMBERS, SCALARS, VALUES

MAPPING = AttributeMapping(
    rename={"colour": "color", "serial": "number"},
    cast={"sku": "S", "serial": "N", "colour": "S"},
    archive=frozenset({"legacyBlob", "oldNotes"}),
)
NAMES = ("colour", "color", "serial", "number", "sku", "legacyBlob", "oldNotes", "vipNotes", "plain")
NEAR = st.one_of(
    NUMBERS.map(lambda each: {"N": str(each)}),
    NUMBERS.map(lambda each: {"S": str(each)}),
    NUMBERS.map(lambda each: {"S": spelt(str(each)) or ""}),
    st.sampled_from(["007", "1.0", "-0", "1e3", "+1", "", "٣", "1\n", "0"]).map(lambda each: {"S": each}),
    SCALARS,
    VALUES,
)
ITEMS = st.dictionaries(st.sampled_from(NAMES), NEAR, max_size=6).map(raw_item)


def same(left: Any, right: Any) -> bool:
    return digest.canonical(left) == digest.canonical(right)


def pooled(item: Any) -> Any:
    try:
        return MAPPING.to_pool(item)
    except Unmappable:
        assume(False)


@given(ITEMS)
def test_what_did_not_change_at_the_pool_comes_back_as_it_was(item: Any) -> None:
    assert same(MAPPING.to_silo(pooled(item), item), item)


@given(ITEMS, st.none() | ITEMS)
def test_what_the_pool_holds_is_what_comes_back_to_it(item: Any, before: Any) -> None:
    if before is not None:
        pooled(before)
    try:
        back = MAPPING.to_silo(item, before)
    except Unmappable:
        assume(False)
    assert same(MAPPING.to_pool(back), item)


@given(ITEMS)
def test_nothing_is_given_up_but_what_is_archived(item: Any) -> None:
    try:
        back = MAPPING.to_silo(pooled(item), None)
    except Unmappable:
        assume(False)
    assert back.keys() <= {*item.keys(), "colour", "serial"}
    assert all(same({name: back[name]}, {name: item[name]}) for name in ("vipNotes", "plain") if name in item)
    assert not MAPPING.archive & MAPPING.to_pool(item).keys()


@given(ITEMS)
def test_the_type_that_an_inventory_foretells_is_the_one_that_comes(item: Any) -> None:
    told = {MAPPING.image_of(name, tag_of(value)) for name, value in item.items()} - {None}
    assert told == {(name, tag_of(value)) for name, value in pooled(item).items()}


@given(NUMBERS)
def test_a_number_and_its_text_stand_for_each_other(value: Any) -> None:
    text = spelt(str(value))
    assert text is not None
    assert digest.number(text) == digest.number(str(value))
    assert is_number(text)
    assert "E" not in text.upper()


@given(st.text(max_size=12) | NUMBERS.map(str))
def test_no_other_text_stands_for_a_number(text: str) -> None:
    assume(is_number(text))
    assert spelt(text) == text


@pytest.mark.parametrize("text", ("007", "1.0", "1.", ".5", "-0", "+1", "1e3", "1E3", "", " 1", "1\n", "٣", "1" * 39))
def test_text_that_a_cast_would_not_bring_back_is_no_number(text: str) -> None:
    assert not is_number(text)
    with pytest.raises(Unmappable, match="serial is text"):
        MAPPING.to_pool(raw_item({"serial": {"S": text}}))


@pytest.mark.parametrize(
    ("number", "holds"),
    (("9e125", True), ("1e126", False), ("1e-130", True), ("9e-131", False), ("-1.5e-129", True), ("0.10", True)),
)
def test_a_number_that_dynamodb_does_not_hold_is_not_spelt(number: str, holds: bool) -> None:
    assert (spelt(number) is not None) is holds


@pytest.mark.parametrize(
    ("item", "why"),
    (
        ({"colour": {"S": "red"}, "color": {"S": "blue"}}, "colour and color, which would be one"),
        ({"serial": {"S": "12a"}}, "serial is text that is no number"),
    ),
)
def test_an_item_of_the_silo_without_an_image_says_why_and_shows_no_value(item: Any, why: str) -> None:
    with pytest.raises(Unmappable, match=why) as said:
        MAPPING.to_pool(raw_item(item))
    assert not any(value["S"] in str(said.value) for value in item.values())
    assert not same(MAPPING.shown(raw_item(item)), raw_item(item))


@pytest.mark.parametrize(
    ("item", "why"),
    (
        ({"colour": {"S": "red"}}, "has colour, which it gets from no item"),
        ({"legacyBlob": {"S": "x"}}, "has legacyBlob, which it gets from no item"),
        ({"sku": {"N": "4711"}}, "has sku with type N, where the mapping makes it S"),
        ({"number": {"S": "4711"}}, "has serial with type S, where the mapping makes it N"),
    ),
)
def test_an_item_of_the_pool_that_no_item_of_the_silo_gives_says_why(item: Any, why: str) -> None:
    with pytest.raises(Unmappable, match=why) as said:
        MAPPING.to_silo(raw_item(item), None)
    assert "4711" not in str(said.value)


def test_values_of_both_types_come_back_each_as_it_was_and_a_new_one_as_the_silo_has_them() -> None:
    text, numeral = raw_item({"sku": {"S": "5"}}), raw_item({"sku": {"N": "5"}})
    assert same(MAPPING.to_pool(text), MAPPING.to_pool(numeral))
    at_pool = MAPPING.to_pool(text)
    assert plain_item(MAPPING.to_silo(at_pool, text)) == {"sku": {"S": "5"}}
    assert plain_item(MAPPING.to_silo(at_pool, numeral)) == {"sku": {"N": "5"}}
    assert plain_item(MAPPING.to_silo(at_pool, None)) == {"sku": {"N": "5"}}
    changed = raw_item({"sku": {"S": "6"}})
    assert plain_item(MAPPING.to_silo(changed, text)) == {"sku": {"N": "6"}}


def test_an_item_that_had_the_pools_name_already_keeps_it() -> None:
    item = raw_item({"color": {"S": "red"}})
    assert plain_item(MAPPING.to_silo(raw_item({"color": {"S": "blue"}}), item)) == {"color": {"S": "blue"}}
    assert plain_item(MAPPING.to_silo(item, None)) == {"colour": {"S": "red"}}


def test_what_is_archived_comes_back_from_the_old_item_and_only_from_there() -> None:
    old = raw_item({"legacyBlob": {"B": b"\x00"}, "plain": {"S": "a"}})
    assert plain_item(MAPPING.to_pool(old)) == {"plain": {"S": "a"}}
    now = raw_item({"plain": {"S": "b"}})
    assert plain_item(MAPPING.to_silo(now, old)) == {"plain": {"S": "b"}, "legacyBlob": {"B": b"\x00"}}
    assert plain_item(MAPPING.to_silo(now, None)) == {"plain": {"S": "b"}}


def test_attributes_that_no_line_names_are_the_very_bytes_that_came() -> None:
    item = raw_item({"vipNotes": {"L": [{"N": "1.50"}]}, "sku": {"N": "1"}})
    assert MAPPING.to_pool(item)["vipNotes"] is item["vipNotes"]
