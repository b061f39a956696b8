"""Places taken by chance: between two keys, and anywhere in a side."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portability.stores.base import Flow
from portability.stores.dynamodb.sample import between
from tests.stores.both import LAYOUTS, Both

TEXT = st.text(min_size=1, max_size=12)
NUMBERS = st.decimals(min_value=-(10**30), max_value=10**30, places=5)


@given(ends=st.lists(TEXT, min_size=2, max_size=2), seed=st.integers())
def test_a_text_is_between_two_as_the_service_orders_them(ends: list[str], seed: int) -> None:
    low, high = sorted(ends, key=str.encode)
    text = between({"S": low}, {"S": high}, random.Random(seed))["S"]
    assert low.encode() <= text.encode() <= high.encode()


@given(ends=st.lists(st.binary(min_size=1, max_size=12), min_size=2, max_size=2), seed=st.integers())
def test_bytes_are_between_two(ends: list[bytes], seed: int) -> None:
    low, high = sorted(ends)
    assert low <= between({"B": low}, {"B": high}, random.Random(seed))["B"] <= high + b"\0" * 12


@given(ends=st.lists(NUMBERS, min_size=2, max_size=2), seed=st.integers())
def test_a_number_is_between_two_and_one_that_the_service_takes(ends: list[Decimal], seed: int) -> None:
    low, high = sorted(ends)
    told = between({"N": str(low)}, {"N": str(high)}, random.Random(seed))["N"]
    slack = abs(high - low) * Decimal("1e-20") + abs(high) * Decimal("1e-28")
    assert low - slack <= Decimal(told) <= high + slack
    assert len(Decimal(told).as_tuple().digits) <= 38


@pytest.mark.usefixtures("aws_env")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_sample_is_of_the_tenants_own_keys_and_the_next_one_of_others(prefix: str, layout: str) -> None:
    both = Both(prefix, items=120, **LAYOUTS[layout])
    known = {both.world.key(item)["sk"]["S"] for item in both.items}
    seen: set[str] = set()
    for _ in range(12):
        keys = both.move.sample(Flow.FORWARD, 9)
        names = {key["sk"]["S"] for key in keys}
        assert 0 < len(keys) == len(names) <= 2 * 9 + 9
        assert names <= known
        seen |= names
    assert len(seen) > 40
    assert len(both.move.sample(Flow.FORWARD, 1000)) == len(known)


@pytest.mark.usefixtures("aws_env")
def test_what_only_the_destination_has_is_sampled_too(prefix: str) -> None:
    both = Both(prefix, items=10)
    both.world.fill(both.target, [both.world.item(99)])
    compared = both.move.compare_some(Flow.FORWARD, both.move.sample(Flow.FORWARD, 1000), repair=False)
    assert [(one.why, one.key_hash) for one in compared.differences] == [("extra", both.hash(99))]
    assert both.move.compare_some(Flow.FORWARD, [both.world.key(both.world.item(99))], repair=True).repaired == 1
    assert both.found() == []


def test_an_empty_side_has_no_sample(aws_env: None, prefix: str) -> None:
    both = Both(prefix, items=0)
    assert both.move.sample(Flow.FORWARD, 10) == []
