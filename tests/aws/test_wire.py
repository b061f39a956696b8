"""Our own client against boto3's, on DynamoDB Local: whatever an item holds, both carry it alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portability import errors
from portability.aws.attributes import plain_item, raw_item
from portability.aws.items import BotoItems, Items
from portability.aws.requests import Condition
from portability.aws.session import Aws
from portability.aws.wire import WireItems
from tests.conftest import REGION

Item = dict[str, Any]

DIGITS = st.text("0123456789", min_size=1, max_size=38)
NUMBERS = st.builds(
    lambda sign, digits, point, power: f"{sign}{digits[:point] or '0'}.{digits[point:] or '0'}E{power}",
    st.sampled_from(("", "-")),
    DIGITS.filter(lambda digits: digits.strip("0") != ""),
    st.integers(0, 38),
    st.integers(-80, 80),
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ("", "\U0001f600 \U00010000", '"\\\b\f\n\r\t/', "\x00\x1f\x7f\u2028\u2029\ufeff\uffff", "</script>", "é" * 9)
)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=9) | st.sampled_from(
    (
        "name",
        "size",
        "select",
        "S",
        "N",
        "B",
        "M",
        "L",
        "Item",
        '"quoted"',
        "dotted.name",
        "#n",
        ":v",
        "\U0001f600",
        " ",
    )
)
BYTES = st.binary(max_size=9)
SCALARS = st.one_of(
    TEXT.map(lambda value: {"S": value}),
    NUMBERS.map(lambda value: {"N": value}),
    BYTES.map(lambda value: {"B": value}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.sets(TEXT, min_size=1, max_size=4).map(lambda value: {"SS": sorted(value)}),
    st.sets(st.integers(-(10**37), 10**37), min_size=1, max_size=4).map(lambda value: {"NS": [*map(str, value)]}),
    st.sets(BYTES, min_size=1, max_size=4).map(lambda value: {"BS": sorted(value)}),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda value: {"L": value}),
        st.dictionaries(NAMES, inner, max_size=3).map(lambda value: {"M": value}),
    ),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(NAMES.filter(lambda name: name not in {"pk", "sk"}), VALUES, max_size=4)
IN_A = Condition("#pk = :pk", {"#pk": "pk"}, {":pk": {"S": "a"}})


@pytest.fixture
def carriers(aws_env: None) -> Iterator[tuple[Items, Items]]:
    own, boto = Aws(region=REGION, read_only=False), Aws(region=REGION, read_only=False, wire=False)
    wire, fallback = own.items(), boto.items()
    assert isinstance(wire, WireItems)
    assert isinstance(fallback, BotoItems)
    yield wire, fallback
    wire.close()


@pytest.fixture
def tables(aws_env: None, prefix: str) -> tuple[str, str]:
    dynamo = Aws(region=REGION, read_only=False).dynamodb()
    names = (f"{prefix}-one", f"{prefix}-other")
    for name in names:
        dynamo.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "B"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
    return names


def key(number: int) -> Item:
    return {"pk": {"S": "a"}, "sk": {"B": number.to_bytes(2)}}


def plain(items: list[Item]) -> list[Item]:
    return sorted((plain_item(item) for item in items), key=lambda item: bytes(item["sk"]["B"]))


def is_raw(items: list[Item]) -> bool:
    return all(type(value) is msgspec.Raw for item in items for value in item.values())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(ATTRIBUTES, min_size=1, max_size=5))
def test_both_clients_write_read_and_carry_every_item_alike(
    carriers: tuple[Items, Items], tables: tuple[str, str], contents: list[Item]
) -> None:
    wire, boto = carriers
    one, other = tables
    items = [{**key(number), **attributes} for number, attributes in enumerate(contents)]
    keys = [key(number) for number in range(5)]
    assert wire.batch_write(one, [raw_item(item) for item in items], keys[len(items) :])[:2] == ([], [])
    by_wire, by_boto = wire.query(one, IN_A), boto.query(one, IN_A)
    assert is_raw(by_wire.items)
    assert is_raw(by_boto.items)
    assert plain(by_wire.items) == plain(by_boto.items)
    assert [by_wire.count, by_wire.next, by_wire.rcu] == [by_boto.count, by_boto.next, by_boto.rcu]
    # What either read is what either writes: through the other table and back, nothing has changed.
    boto.batch_write(other, by_wire.items, keys[len(items) :])
    assert plain(wire.query(other, IN_A).items) == plain(by_boto.items)
    wire.batch_write(one, by_boto.items, [])
    assert plain(boto.query(one, IN_A).items) == plain(by_boto.items)
    got, same = wire.batch_get(one, keys), boto.batch_get(one, keys)
    assert plain(got.items) == plain(same.items) == plain(by_boto.items)
    assert (got.left, got.rcu) == (same.left, same.rcu)
    assert plain(wire.scan(one).items) == plain(boto.scan(one).items) == plain(by_boto.items)


def test_both_clients_carry_items_of_400_kilobytes_and_page_alike(
    carriers: tuple[Items, Items], tables: tuple[str, str]
) -> None:
    wire, boto = carriers
    table = tables[0]
    large = [{**key(number), "value": {"S": "\u00e9" * 204_000}, "n": {"N": str(number)}} for number in range(25)]
    for at in range(0, 25, 5):  # boto3 escapes what is not ASCII: six bytes a letter
        wrote = wire.batch_write(table, [raw_item(item) for item in large[at : at + 5]], [])
        assert wrote[:2] == ([], [])
        assert wrote.wcu == boto.batch_write(table, [raw_item(item) for item in large[at : at + 5]], []).wcu > 5 * 390
    for carrier in carriers:
        found, pages, start = [], 0, None
        while True:
            page = carrier.query(table, IN_A, start=start)
            found += page.items
            pages += 1
            start = page.next
            if start is None:
                break
            assert start == key(int.from_bytes(start["sk"]["B"]))
        assert plain(found) == large
        assert pages > 5
    with pytest.raises(errors.BadRequest) as refused:
        wire.batch_write(table, [raw_item({**large[0], "value": {"S": "x" * 410_000}})], [])
    assert refused.value.aws_code == "ValidationException"
    for carrier in carriers:
        got = carrier.batch_get(table, [key(number) for number in range(60)])
        left = [key(number) for number in range(60) if key(number) not in map(key_of, got.items)]
        assert all(each in left for each in got.left)


def test_both_clients_read_a_partition_from_its_end(carriers: tuple[Items, Items], tables: tuple[str, str]) -> None:
    carriers[0].batch_write(tables[0], [raw_item(key(number)) for number in range(5)], [])
    for carrier in carriers:
        page = carrier.query(tables[0], IN_A, backward=True, limit=2)
        assert [key_of(item) for item in page.items] == [key(4), key(3)]
        assert page.next == key(3)
        rest = carrier.query(tables[0], IN_A, backward=True, start=page.next)
        assert [key_of(item) for item in rest.items] == [key(2), key(1), key(0)]


def key_of(item: Item) -> Item:
    decoded = plain_item(item)
    return {"pk": decoded["pk"], "sk": decoded["sk"]}


def test_both_clients_project_limit_and_read_segments_alike(
    carriers: tuple[Items, Items], tables: tuple[str, str]
) -> None:
    table = tables[0]
    carriers[0].batch_write(table, [raw_item({**key(number), "size": {"N": "1"}}) for number in range(9)], [])
    for carrier in carriers:
        first = carrier.query(table, IN_A, limit=4, keys_only=("pk", "sk"), consistent=False)
        assert plain(first.items) == [key(number) for number in range(4)]
        assert first.next == key(3)
        rest = carrier.query(table, IN_A, start=first.next, keys_only=("size",))
        assert [plain_item(item) for item in rest.items] == [{"size": {"N": "1"}}] * 5
        segments = [carrier.scan(table, segment=number, of=3, keys_only=("pk", "sk")) for number in range(3)]
        assert plain([item for page in segments for item in page.items]) == [key(number) for number in range(9)]
        assert plain(carrier.batch_get(table, [key(2)], keys_only=("sk",)).items) == [{"sk": key(2)["sk"]}]


@pytest.mark.parametrize("own", (True, False))
def test_a_batch_over_the_limit_and_a_batch_of_nothing_are_not_sent(aws_env: None, own: bool) -> None:
    aws = Aws(region=REGION, read_only=False, wire=own)
    items = aws.items()
    with pytest.raises(errors.BadRequest, match="at most 25"):
        items.batch_write("none", [raw_item(key(number)) for number in range(26)], [])
    with pytest.raises(errors.BadRequest, match="at most 100"):
        items.batch_get("none", [key(number) for number in range(101)])
    assert items.batch_write("none", [], []) == ([], [], 0.0)
    assert items.batch_get("none", []) == ([], [], 0.0)
    assert (aws.sent.reads, aws.sent.writes) == (0, 0)


@pytest.mark.parametrize("own", (True, False))
def test_a_missing_table_is_not_found_and_is_named(aws_env: None, prefix: str, own: bool) -> None:
    items = Aws(region=REGION, read_only=False, wire=own).items()
    with pytest.raises(errors.NotFound) as refused:
        items.query(prefix, IN_A)
    assert (refused.value.operation, refused.value.aws_code) == ("dynamodb.Query", "ResourceNotFoundException")
    assert prefix in refused.value.what
    with pytest.raises(errors.NotFound):
        items.batch_write(prefix, [raw_item(key(1))], [])


def test_what_the_wire_sends_is_counted_as_what_boto3_sends(tables: tuple[str, str]) -> None:
    counts = []
    for own in (True, False):
        aws = Aws(region=REGION, read_only=False, wire=own)
        items = aws.items()
        items.batch_write(tables[0], [raw_item(key(number)) for number in range(3)], [])
        items.query(tables[0], IN_A)
        items.scan(tables[0])
        items.batch_get(tables[0], [key(1)])
        items.close()
        counts.append((aws.sent.reads, aws.sent.writes, aws.sent.rcu))
    assert counts[0] == counts[1]
    assert counts[0][:2] == (3, 1)
    assert counts[0][2] >= 3
