"""What proves a shard, and what does not."""

from typing import Any

import pytest

from portability.aws.streams import Record
from portability.stores.dynamodb.canary import Canary
from portability.stores.dynamodb.drain import Drain
from portability.stores.dynamodb.layout import Layout
from portability.stores.dynamodb.pattern import Pattern
from portability.stores.dynamodb.shard import Read

LAYOUT = Layout("Order", "tenant-42", Pattern("{tenant}-{suffix}"), "pk", "sk", (1, 3))
CANARY = Canary(LAYOUT, {"pk": "S", "sk": "S"}, "r-1")
MINE, YOURS = {"pk": {"S": "tenant-42-1"}, "sk": {"S": "1"}}, {"pk": {"S": "tenant-4-1"}, "sk": {"S": "1"}}


def page(
    key: dict[str, Any] | None, *, event: str = "INSERT", created: int = 2000, closed: bool = False, shard: str = "a"
) -> Read:
    records = [] if key is None else [Record(key, "1", created, event)]
    return Read(shard, LAYOUT.sift(records), "1", closed, tip=0.0, newest=created if records else None)


def drain(after: float | None = None) -> Drain:
    made = Drain(LAYOUT, after)
    made.listing(["a", "b"])
    made.expect([LAYOUT.key_id(CANARY("1"))])
    return made


@pytest.mark.parametrize(
    "seen",
    (
        page(MINE),
        page(YOURS),
        page(None),
        page(CANARY("of an earlier drain")),
        page(CANARY("1"), event="REMOVE"),
        page(Canary(LAYOUT, {"pk": "S", "sk": "S"}, "r-2")("1")),
    ),
    ids=("mine", "yours", "nothing", "an earlier canary", "its removal", "another run's"),
)
def test_with_canaries_nothing_else_proves_a_shard(seen: Read) -> None:
    made = drain()
    made.see(seen)
    assert made.missing == {"a", "b"}


def test_a_canary_proves_its_own_shard_and_an_end_does() -> None:
    made = drain()
    made.see(page(CANARY("1")))
    assert made.missing == {"b"}
    made.see(page(None, closed=True, shard="b"))
    assert made.missing == set()


@pytest.mark.parametrize(("created", "proven"), ((1999, False), (2000, False), (2001, True)))
def test_without_canaries_a_record_of_a_later_second_proves_whoever_wrote_it(created: int, proven: bool) -> None:
    made = drain(after=2000.7)
    made.see(page(YOURS, created=created))
    assert (made.missing == {"b"}) == proven


def test_shards_that_are_listed_later_were_not_there_before_the_fence() -> None:
    made = Drain(LAYOUT, None)
    made.listing(["a"])
    made.listing(["a", "child"])
    assert made.missing == {"a"}


def test_the_children_of_a_shard_that_ends_are_needed_too_where_the_first_listing_lacked_them() -> None:
    made = Drain(LAYOUT, None)
    made.listing(["parent"])
    made.see(page(None, closed=True, shard="parent"))
    listed = [made.listed]  # the listing may have been older than the split
    made.listing(["child", "other child"])
    assert [*listed, made.listed] == [False, True]
    assert made.missing == {"child", "other child"}


def test_a_listing_that_lags_behind_a_split_is_not_whole_wherever_the_end_was_read() -> None:
    """The end may have been read before the drain began: then only the listing tells that something is missing."""
    made = Drain(LAYOUT, None)
    made.listing(["a"], childless={"parent"})
    made.expect([LAYOUT.key_id(CANARY("1"))])
    made.see(page(CANARY("1")))
    assert not made.listed
    made.listing(["a", "child"])
    assert (made.listed, made.missing) == (True, {"child"})
    made.see(page(None, closed=True, shard="a"))
    made.listing(["child"], childless={"a"})
    assert not made.listed
    made.listing(["child", "grandchild"])
    assert (made.listed, made.missing) == (True, {"child", "grandchild"})


def test_canaries_grow_in_number_and_stay_bounded() -> None:
    made = Drain(LAYOUT, None)
    made.listing([str(number) for number in range(50)])
    first = made.round(0)
    assert first * 2 > 50 * 4
    assert made.round(first) <= 200
    one = Drain(LAYOUT, None)
    one.listing(["a"])
    assert one.round(0) == 4


def test_what_another_stream_takes_the_place_of_proves_nothing_and_is_not_waited_for() -> None:
    made = drain()
    made.see(page(CANARY("1")))
    made.another_stream()
    assert not made.listed
    made.listing(["a", "c"])
    assert made.missing == {"a", "c"}
