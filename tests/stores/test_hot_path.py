"""What every item of a copy passes, made short: it says what the long way says."""

from __future__ import annotations

import json
import random
import string
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portability import errors
from portability.aws.attributes import RawItem, raw_item
from portability.aws.dynamodb import Wrote
from portability.retry import Retry
from portability.stores.dynamodb import digest, plane
from portability.stores.dynamodb.layout import Layout
from portability.stores.dynamodb.pattern import Pattern
from portability.stores.dynamodb.plane import Plane, Written, batched

NAMES = st.text(min_size=1, max_size=5)
KEY_VALUES = st.one_of(
    st.text(max_size=8).map(lambda value: {"S": value}),
    st.sampled_from(["0", "7", "-7", "10", "1E1", "10.0", "0.50", "-0", "007"]).map(lambda value: {"N": value}),
    st.binary(max_size=8).map(lambda value: {"B": value}),
)


def spelt(value: dict[str, Any], *, spaced: bool, escaped: bool) -> msgspec.Raw:
    """A value as one server or another writes it."""
    plain = json.loads(msgspec.json.encode(value))
    return msgspec.Raw(
        json.dumps(plain, separators=(", ", ": ") if spaced else (",", ":"), ensure_ascii=escaped).encode()
    )


@given(partition=NAMES, sort=st.none() | NAMES, data=st.data())
def test_a_key_is_the_same_undecoded_however_it_is_spelt(partition: str, sort: str | None, data: st.DataObject) -> None:
    layout = Layout("Order", "t-1", Pattern("{tenant}-{suffix}"), partition, sort if sort != partition else None)
    key = {name: data.draw(KEY_VALUES) for name in layout.key_names}
    undecoded = {
        name: spelt(value, spaced=data.draw(st.booleans()), escaped=data.draw(st.booleans()))
        for name, value in key.items()
    }
    wanted = digest.canonical(key)
    assert layout.key_id(key) == wanted
    assert layout.key_id(undecoded | {"another": msgspec.Raw(b"{}")}) == wanted
    if sort is not None and sort != partition:
        assert layout.key_id({**key, sort: undecoded[sort]}) == wanted


@given(partition=NAMES, sort=st.none() | NAMES, data=st.data())
def test_the_keys_of_many_are_the_key_of_each(partition: str, sort: str | None, data: st.DataObject) -> None:
    layout = Layout("Order", "t-1", Pattern("{tenant}-{suffix}"), partition, sort if sort != partition else None)
    items = [
        {name: spelt(data.draw(KEY_VALUES), spaced=False, escaped=True) for name in layout.key_names}
        | {"another": msgspec.Raw(b"{}")}
        for _ in range(data.draw(st.integers(0, 4)))
    ]
    assert layout.key_ids(items) == [layout.key_id(each) for each in items]


@given(st.lists(st.dictionaries(st.text(string.ascii_letters), KEY_VALUES, min_size=1, max_size=4), min_size=1))
def test_the_size_of_many_is_the_sum_of_their_sizes(items: list[dict[str, Any]]) -> None:
    raw = [raw_item(item) for item in items]
    assert digest.raw_size(raw) == sum(map(digest.size_of, raw))


@given(puts=st.integers(0, 60), deletes=st.integers(0, 60), size=st.integers(1, 25))
def test_batches_hold_every_request_once_in_order_and_all_but_the_last_are_full(
    puts: int, deletes: int, size: int
) -> None:
    items: list[RawItem] = [{"pk": msgspec.Raw(str(number).encode())} for number in range(puts)]
    keys = [{"pk": {"N": str(number)}} for number in range(deletes)]
    made = list(batched(items, keys, size))
    assert [item for some, _ in made for item in some] == items
    assert [key for _, some in made for key in some] == keys
    assert all(len(some) + len(others) == size for some, others in made[:-1])
    assert len(made) == -(-(puts + deletes) // size)


def test_a_neighbour_among_many_items_of_the_tenant_is_written_by_nobody() -> None:
    table = Table()
    items = [item(number) for number in range(60)] + [raw_item({"pk": {"S": "t-2-1"}, "sk": {"N": "1"}})]
    with pytest.raises(ValueError, match="outside t-1"):
        plane_of(table).write(items)
    assert not table.written


# ----------------------------------------------------------------------------------------- several threads of one write


class Table:
    """Takes batches, each after a while; one of them may fail."""

    def __init__(self, takes: float = 0.0, *, fails_at: int | None = None) -> None:
        self.takes = takes
        self.fails_at = fails_at
        self.written: list[int] = []
        self.at_once = self.most_at_once = self.begun = 0
        self.lock = threading.Lock()

    def batch_write(self, table: str, puts: Sequence[RawItem], deletes: Sequence[Any]) -> Wrote:
        with self.lock:
            number, self.begun = self.begun, self.begun + 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.takes)
        with self.lock:
            self.at_once -= 1
            if number == self.fails_at:
                raise errors.Unauthorised("denied", next=errors.AGAIN)
            self.written += [int(msgspec.json.decode(each["sk"])["N"]) for each in puts]
        return Wrote([], [], 0.0)


def item(number: int) -> RawItem:
    return raw_item({"pk": {"S": f"t-1-{number % 3}"}, "sk": {"N": str(number)}})


def plane_of(table: Any) -> Plane:
    layout = Layout("Order", "t-1", Pattern("{tenant}-{suffix}"), "pk", "sk", (0, 2))
    return Plane("silo", layout, table, table, Retry(sleep=lambda _: None, rng=random.Random(1)))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_where_answers_take_their_time_batches_are_on_their_way_side_by_side(pool: ThreadPoolExecutor) -> None:
    table = Table(plane.WORTH_HELP * 3)
    assert plane_of(table).write([item(number) for number in range(500)], pool=pool).put == 500
    assert sorted(table.written) == list(range(500))
    assert 1 < table.most_at_once <= plane.SIDE_BY_SIDE


def test_where_answers_come_at_once_one_thread_writes_alone(pool: ThreadPoolExecutor) -> None:
    table = Table()
    alone = plane_of(table)
    alone = Plane(alone.table, alone.layout, alone.dynamo, alone.items, alone.retry, monotonic=lambda: 0.0)
    assert alone.write([item(number) for number in range(500)], pool=pool).put == 500
    assert table.most_at_once == 1


def test_a_full_pool_holds_no_write_up() -> None:
    table, over = Table(plane.WORTH_HELP * 2), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(over.wait)
        try:
            assert plane_of(table).write([item(number) for number in range(200)], pool=pool).put == 200
        finally:
            over.set()
    assert table.most_at_once == 1


@pytest.mark.parametrize("fails_at", (0, 1, 3, 6))
def test_a_write_that_fails_ends_only_when_nothing_of_it_is_on_its_way(pool: ThreadPoolExecutor, fails_at: int) -> None:
    table, written = Table(plane.WORTH_HELP * 3, fails_at=fails_at), Written()
    with pytest.raises(errors.Unauthorised):
        plane_of(table).write([item(number) for number in range(2500)], pool=pool, into=written)
    assert table.at_once == 0
    assert written.put == len(table.written) < 2500
    begun = table.begun
    time.sleep(plane.WORTH_HELP * 6)
    assert table.begun == begun < 50  # of 100 batches
