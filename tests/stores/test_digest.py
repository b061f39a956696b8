import hashlib
import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portability.aws.attributes import plain_item, raw_item
from portability.stores.dynamodb import digest
from tests.support.meaning import meaning

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda number: len(number.as_tuple().digits) <= 38 and abs(number.adjusted()) <= 125
)
TEXT = st.text(max_size=8)


def spelt(number: Any) -> Any:
    return st.sampled_from([str(number), f"{number:f}", f"{number:E}", f"+{number}" if number >= 0 else str(number)])


SCALARS = st.one_of(
    TEXT.map(lambda value: {"S": value}),
    NUMBERS.map(lambda value: {"N": str(value)}),
    st.binary(max_size=8).map(lambda value: {"B": value}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.sets(TEXT, min_size=1, max_size=4).map(lambda value: {"SS": sorted(value)}),
    st.sets(st.integers(-99, 99), min_size=1, max_size=4).map(lambda value: {"NS": [str(each) for each in value]}),
    st.sets(st.binary(max_size=4), min_size=1, max_size=4).map(lambda value: {"BS": sorted(value)}),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda value: {"L": value}),
        st.dictionaries(TEXT, inner, max_size=3).map(lambda value: {"M": value}),
    ),
    max_leaves=6,
)
ITEMS = st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=4)


def shuffled(value: Any, rng: Any) -> Any:
    """The same value, spelt differently wherever DynamoDB does not care."""
    ((tag, inner),) = value.items()
    match tag:
        case "SS" | "NS" | "BS":
            return {tag: rng.sample(inner, len(inner))}
        case "N":
            return {"N": f"{Decimal(inner):E}"}
        case "L":
            return {"L": [shuffled(each, rng) for each in inner]}
        case "M":
            return {"M": shuffled_item(inner, rng)}
        case _:
            return {tag: inner}


def shuffled_item(item: Any, rng: Any) -> Any:
    return {name: shuffled(item[name], rng) for name in rng.sample(sorted(item), len(item))}


@given(item=ITEMS, seed=st.integers())
def test_the_same_item_spelt_differently_has_the_same_bytes(item: Any, seed: int) -> None:
    assert digest.canonical(shuffled_item(item, random.Random(seed))) == digest.canonical(item)


@given(one=ITEMS, other=ITEMS)
def test_two_items_have_the_same_bytes_only_if_they_mean_the_same(one: Any, other: Any) -> None:
    assert (digest.canonical(one) == digest.canonical(other)) == (meaning({"M": one}) == meaning({"M": other}))


@given(one=VALUES, other=VALUES)
def test_two_values_have_the_same_bytes_only_if_they_mean_the_same(one: Any, other: Any) -> None:
    assert (digest.canonical({"a": one}) == digest.canonical({"a": other})) == (meaning(one) == meaning(other))


@given(number=NUMBERS, data=st.data())
def test_every_spelling_of_a_number_is_one_number(number: Any, data: st.DataObject) -> None:
    assert digest.number(data.draw(spelt(number))) == digest.number(data.draw(spelt(number)))


@given(one=NUMBERS, other=NUMBERS)
def test_different_numbers_stay_different_to_the_last_digit(one: Any, other: Any) -> None:
    assert (digest.number(str(one)) == digest.number(str(other))) == (one == other)


@pytest.mark.parametrize("text", ("1", "1.0", "1E0", "10e-1", "+1", "0001.000", "0.1E1", ".1e1", "1."))
def test_one_is_one(text: str) -> None:
    assert digest.number(text) == "1"


@pytest.mark.parametrize("text", ("0", "-0", "0.0", "0E5", "-0.000e-9"))
def test_zero_has_no_sign_and_no_exponent(text: str) -> None:
    assert digest.number(text) == "0"


def test_thirty_eight_digits_are_kept_where_a_float_would_round() -> None:
    one, other = "12345678901234567890123456789012345678", "12345678901234567890123456789012345679"
    assert float(one) == float(other)
    assert digest.item_hash({"n": {"N": one}}) != digest.item_hash({"n": {"N": other}})


def test_a_value_carries_its_type() -> None:
    values = [
        {"S": "1"},
        {"N": "1"},
        {"B": b"1"},
        {"SS": ["1"]},
        {"NS": ["1"]},
        {"BS": [b"1"]},
        {"BOOL": True},
        {"NULL": True},
    ]
    assert (
        len({digest.item_hash({"a": value}) for value in [*values, {"L": values[:1]}, {"M": {"a": {"S": "1"}}}]}) == 10
    )


@given(items=st.lists(ITEMS, max_size=6), seed=st.integers())
def test_a_tally_has_no_order_and_can_be_taken_apart(items: Any, seed: int) -> None:
    whole = digest.tally(items)
    assert digest.tally(random.Random(seed).sample(items, len(items))) == whole
    assert len(whole.digest) == 32
    left, right = digest.tally(items[:2]), digest.tally(items[2:])
    left.merge(right)
    assert left == whole
    for item in items:
        whole.add(digest.item_hash(item), -1)
    assert whole == digest.Tally()


@given(item=ITEMS)
def test_an_archive_line_is_one_line_of_json_and_the_same_for_every_order_of_names_and_sets(item: Any) -> None:
    line = digest.json_line(item)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert msgspec.json.decode(line).keys() == item.keys()
    reordered = {name: item[name] for name in sorted(item, reverse=True)}
    assert digest.json_line(reordered) == line


@given(items=st.lists(ITEMS, max_size=4))
def test_an_archives_digest_is_the_sum_over_its_lines(items: Any) -> None:
    hashes = [hashlib.blake2b(digest.json_line(item)[:-1], digest_size=16).digest() for item in items]
    assert sum(map(int.from_bytes, hashes)) % digest.MODULUS == digest.tally(items).total


@pytest.mark.parametrize("text", ('"N":"007"', '\\"N":"1.0"', '"SS":["b","a"]', "{", "\u2028", "/"))
def test_text_that_looks_like_a_value_stays_text(text: str) -> None:
    item = {text: {"S": text}, "m": {"M": {text: {"L": [{"S": text}]}}}}
    assert msgspec.json.decode(digest.canonical(item)) == item
    assert digest.canonical(raw_item(item)) == digest.canonical(item)


def test_an_attribute_may_be_named_like_a_type() -> None:
    """What looks for sets and spelt numbers must not take a name for a type, nor a type for a name."""
    nested = {name: {"M": {name: {"N": "1"}}} for name in ("N", "S", "SS", "NS", "BS", "B", "M", "L")}
    spelt = {name: {"M": {name: {"N": "1.0"}}} for name in nested}
    assert digest.canonical(nested) == digest.canonical(spelt)
    assert meaning({"M": msgspec.json.decode(digest.canonical(spelt))}) == meaning({"M": nested})


def test_a_hash_of_a_key_tells_nothing_of_its_text() -> None:
    assert "tenant" not in digest.key_hash({"pk": {"S": "tenant-42-1"}})
    assert len(digest.key_hash({"pk": {"S": "tenant-42-1"}})) == 32


@given(item=ITEMS)
def test_a_raw_item_has_the_bytes_the_hash_and_the_archive_line_of_the_plain_one(item: Any) -> None:
    raw = raw_item(item)
    assert plain_item(raw) == item
    assert digest.canonical(raw) == digest.canonical(item)
    assert digest.item_hash(raw) == digest.item_hash(item)
    assert digest.key_hash(raw) == digest.key_hash(item)
    assert digest.json_line(raw) == digest.json_line(item)
    mixed = {name: raw[name] if number % 2 else item[name] for number, name in enumerate(item)}
    assert digest.canonical(mixed) == digest.canonical(item)
