"""Comparing: every difference is found, nothing else is, and repair is a sync."""

import threading
import time

import pytest

from portability import errors
from portability.stores.base import ChannelState, Flow
from portability.stores.dynamodb import compare, digest
from tests.stores.both import LAYOUTS, Both
from tests.stores.memory_ledger import MemoryLedger
from tests.stores.world import Writer, opened

pytestmark = pytest.mark.usefixtures("aws_env")


@pytest.fixture(params=LAYOUTS)
def both(request: pytest.FixtureRequest, aws_env: None, prefix: str) -> Both:
    return Both(prefix, **LAYOUTS[request.param])


def test_equal_sides_are_equal_with_the_same_counts_and_sums(both: Both) -> None:
    compared = both.compared()
    assert all(unit.equal for unit in compared)
    assert sum(unit.source_items for unit in compared) == 40
    total = sum(int(unit.source_digest, 16) for unit in compared) % digest.MODULUS
    assert f"{total:032x}" == digest.tally(both.items).digest
    assert both.move.strays(Flow.FORWARD) == []


def test_a_changed_byte_an_omission_and_an_addition_are_each_found_and_named_by_hash(both: Both) -> None:
    world = both.world
    world.fill(both.target, [world.item(3, value="firsT"), world.item(99)])
    world.dynamo.batch_write(both.target, [], [world.key(world.item(5))])
    assert both.found() == sorted([("differs", both.hash(3)), ("extra", both.hash(99)), ("missing", both.hash(5))])
    assert world.others(world.pool) == both.others


def test_repair_makes_them_equal_counts_what_it_did_and_touches_no_neighbour(both: Both) -> None:
    world = both.world
    world.fill(both.target, [world.item(3, value="firsT"), world.item(99)])
    world.dynamo.batch_write(both.target, [], [world.key(world.item(5))])
    repaired = sum(unit.repaired for unit in both.compared(repair=True))
    strays = both.move.strays(Flow.FORWARD)
    both.move.sync(Flow.FORWARD, [stray.key for stray in strays])
    assert repaired + len(strays) == 3
    assert both.found() == []
    assert all(unit.equal for unit in both.compared())
    world.assert_equal(both.source, both.target)
    assert world.others(world.pool) == both.others


def test_every_single_mutation_is_found(aws_env: None, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "LOOKS", 0)
    both = Both(prefix, items=24)
    world = both.world
    for number, item in enumerate(both.items):
        for change in (
            {**item, "value": {"S": "firsU"}},
            {**item, "more": {"NULL": True}},
            None,
            {**item, "value": {"B": b"first"}},
        ):
            if change is None:
                world.dynamo.batch_write(both.target, [], [world.key(item)])
            else:
                world.fill(both.target, [change])
            assert both.found() == [("missing" if change is None else "differs", both.hash(number))]
        world.fill(both.target, [item])
    assert both.found() == []


def test_numbers_that_are_equal_and_sets_in_another_order_are_no_difference(aws_env: None, prefix: str) -> None:
    both = Both(prefix)
    world = both.world
    world.fill(both.source, [world.item(1, n={"N": "1E2"}, s={"SS": ["a", "b"]}, l={"L": [{"N": "1.0"}]})])
    world.fill(both.target, [world.item(1, n={"N": "100.00"}, s={"SS": ["b", "a"]}, l={"L": [{"N": "1"}]})])
    assert all(unit.equal for unit in both.compared())


def test_expired_items_are_outside_both_sums(aws_env: None, prefix: str) -> None:
    both = Both(prefix, ttl="expires")
    world, past = both.world, str(int(time.time()) - 60)
    world.fill(both.source, [world.item(50, expires={"N": past})])  # the other side has deleted it already
    world.fill(both.target, [world.item(51, expires={"N": past})])
    world.fill(both.source, [world.item(52, expires={"S": "no time"})])
    world.fill(both.target, [world.item(52, expires={"S": "no time"})])
    compared = both.compared()
    assert all(unit.equal for unit in compared)
    assert sum(unit.source_items for unit in compared) == 41
    assert both.move.compare_keys(Flow.FORWARD, [world.key(world.item(50))]).equal


def test_a_difference_that_goes_away_while_it_settles_is_none(aws_env: None, prefix: str) -> None:
    both = Both(prefix)
    world = both.world
    world.fill(both.target, [world.item(3, value="late")])
    repairs = threading.Timer(0.06, lambda: world.fill(both.target, [world.item(3)]))
    repairs.start()
    compared = both.compared()
    repairs.join()
    assert all(unit.equal for unit in compared)
    assert sum(unit.repaired for unit in compared) == 0


def test_a_full_verification_under_writes_raises_no_false_alarm_and_leaves_the_rest_to_the_fence(
    aws_env: None, prefix: str
) -> None:
    both = Both(prefix, items=300)
    world, ledger = both.world, MemoryLedger()
    channel = opened(both.move, Flow.FORWARD, ledger, done=both.move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        with Writer(world, both.source, range(320)) as writer:
            for _ in range(3):
                channel.mark()
                writer.wait_for(20)
                assert both.found() == []
        channel.drain(after=time.time(), canary=both.move.canary("r-1"), patience=10)
        changed = channel.changed()
        assert changed
        assert both.move.compare_keys(Flow.FORWARD, changed).equal
        world.assert_equal(both.source, both.target)

        channel.become(ChannelState.PARK)
        world.fill(both.target, [{**world.item(1), **changed[0], "value": {"S": "spoilt"}}])
        spoilt = both.move.compare_keys(Flow.FORWARD, changed)
        assert [one.key_hash for one in spoilt.differences] == [digest.key_hash(changed[0])]
    finally:
        channel.close()


def test_a_changed_key_that_differs_is_not_called_equal(aws_env: None, prefix: str) -> None:
    """It is the fence's to compare by value: here the sums must not hide it."""
    both = Both(prefix)
    world, ledger = both.world, MemoryLedger()
    channel = opened(both.move, Flow.FORWARD, ledger, done=both.move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        channel.mark()
        channel.become(ChannelState.PARK)
        world.fill(both.source, [world.item(3, value="newer")])
        deadline = time.monotonic() + 10
        while not channel.changed() and time.monotonic() < deadline:
            time.sleep(0.01)
        compared = both.compared()
        assert not any(unit.differences for unit in compared)
        assert [unit.equal for unit in compared].count(False) == 1
    finally:
        channel.close()


def test_keys_beyond_the_suffixes_are_strays_and_a_stranger_stops_the_run(aws_env: None, prefix: str) -> None:
    both = Both(prefix)
    world = both.world
    beyond = {"pk": {"S": "tenant-42-4"}, "sk": {"S": "1"}}
    world.fill(both.target, [beyond])
    assert [one.key_hash for one in both.move.strays(Flow.FORWARD)] == [digest.key_hash(beyond)]
    world.fill(both.target, [{"pk": {"S": "tenant-4-1"}, "sk": {"S": "1"}}])
    with pytest.raises(errors.Mismatch, match="holds an item that is not"):
        both.move.strays(Flow.FORWARD)


def test_keys_beyond_the_suffixes_of_a_pool_are_strays(aws_env: None, prefix: str) -> None:
    both = Both(prefix, turned=True)
    below = {"pk": {"S": "tenant-42-0"}, "sk": {"S": "1"}}
    both.world.fill(both.target, [below])
    assert [one.key_hash for one in both.move.strays(Flow.FORWARD)] == [digest.key_hash(below)]


def test_an_item_written_while_the_index_lags_is_the_channels(aws_env: None, prefix: str) -> None:
    both = Both(prefix, pattern="TENANT#{tenant}#{rest}", gsi=True)
    world, ledger = both.world, MemoryLedger()
    channel = opened(both.move, Flow.FORWARD, ledger)
    channel.start(ChannelState.SYNC)
    try:
        hidden = world.item(77)
        del hidden["tenantId"]  # no index will ever list it
        world.fill(both.source, [hidden])
        deadline = time.monotonic() + 10
        while channel.lag().parked == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        for unit in both.move.units(Flow.FORWARD):
            channel.unit_done(unit)
        channel.settle(patience=10)
        world.assert_equal(both.source, both.target)
    finally:
        channel.close()
