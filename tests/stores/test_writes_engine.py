"""What is done when a batch write goes wrong."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from portability import errors
from portability.stores.base import DOUBT, ChannelState, Flow, Horizon
from tests.stores import faults
from tests.stores.faults import Faulty
from tests.stores.memory_ledger import MemoryLedger
from tests.stores.world import World, copy_all, keys_of, opened, until

pytestmark = pytest.mark.usefixtures("aws_env")


def wrapping(fault: faults.Fault | None) -> tuple[Callable[[Any], Faulty], list[Faulty]]:
    """A wrapper for `World.move`, and what it wrapped."""
    made: list[Faulty] = []

    def wrap(dynamo: Any) -> Faulty:
        faulty = Faulty(dynamo, fault)
        made.append(faulty)
        return faulty

    return wrap, made


def test_only_what_was_not_processed_is_sent_again(world: World) -> None:
    world.fill(world.pool, [world.item(number) for number in range(60)])
    wrap, made = wrapping(faults.half)
    copy_all(world.move(wrap=wrap), Flow.FORWARD)
    world.assert_equal(world.pool, world.silo)
    calls = [puts for faulty in made for puts, _ in faulty.calls]
    sent = [str(item) for puts in calls for item in puts]
    for puts in calls:
        assert len({str(world.key(item)) for item in puts}) == len(puts) <= 25
    # A batch of 20 is sent as 20, 10, 5, 2, 1: far below sending it whole again.
    assert len(sent) < 60 * 2


def test_a_destination_that_takes_nothing_ends_the_copy_after_a_bounded_number_of_calls(world: World) -> None:
    world.fill(world.pool, [world.item(number) for number in range(60)])
    for fault in (faults.none, faults.throttled, faults.silent):
        wrap, made = wrapping(fault)
        with pytest.raises((errors.Throttled, errors.Unavailable)):
            copy_all(world.move(wrap=wrap), Flow.FORWARD)
        assert sum(len(faulty.calls) for faulty in made) <= 8


def test_an_unwritable_item_is_split_out_recorded_and_blocks_until_it_can_be_written(world: World) -> None:
    world.fill(world.pool, [world.item(number, value="bad" if number == 7 else "good") for number in range(60)])
    wrap, made = wrapping(faults.picky("bad"))
    move, ledger = world.move(wrap=wrap), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger)
    channel.start(ChannelState.SYNC)
    try:
        copy_all(move, Flow.FORWARD, channel)
        assert len(world.mine(world.silo)) == 59
        assert channel.counts()["unwritable"] == 1
        assert [group for group, _ in keys_of(ledger, channel.name)] == ["unwritable"]
        with pytest.raises(errors.Parked, match="refuses") as parked:
            channel.settle(patience=0.3)
        assert "tenant-42-" not in str(parked.value)
        channel.stop()

        again = opened(world.move(), Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
        assert again.counts()["unwritable"] == 1
        again.start(ChannelState.SYNC)
        again.settle(patience=10)
        assert again.counts()["unwritable"] == 0
        world.assert_equal(world.pool, world.silo)
        again.close()
    finally:
        channel.stop()
    assert made


def test_a_copy_write_that_lands_late_is_doubted_durably_and_set_right_after_the_horizon(world: World) -> None:
    world.fill(world.pool, [world.item(0, value="old")])
    wrap, made = wrapping(faults.lost)
    move, ledger = world.move(wrap=wrap), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger)
    channel.start(ChannelState.SYNC)
    try:
        copy_all(move, Flow.FORWARD, channel)
        assert [group for group, _ in keys_of(ledger, channel.name)] == [DOUBT]
        world.fill(world.pool, [world.item(0, value="new")])
        until(lambda: list(world.mine(world.silo).values()) == [world.item(0, value="new")])
        assert channel.lag().doubtful == 1
        for faulty in made:
            faulty.land()
        assert list(world.mine(world.silo).values()) == [world.item(0, value="old")], "the old write came last"
        channel.settle(patience=10)
        world.assert_equal(world.pool, world.silo)
        assert not ledger.parked(channel.name)
    finally:
        channel.close()


def test_nothing_is_settled_or_drained_while_a_doubt_is_younger_than_its_horizon(world: World) -> None:
    wrap, made = wrapping(None)
    move, ledger = world.move(wrap=wrap, horizon=30), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        for faulty in made:
            faulty.fault = faults.lost
        world.fill(world.pool, [world.item(0)])
        until(lambda: channel.lag().doubtful == 1)
        with pytest.raises(errors.Parked, match="doubtful"):
            channel.settle(patience=0.2)
        began = time.monotonic()
        with pytest.raises(errors.Parked, match="doubtful"):
            channel.drain(after=time.time(), canary=move.canary("r-1"), patience=5)
        assert time.monotonic() - began < 4, "a doubt that outlives the drain is not waited for"
    finally:
        channel.stop()


def test_a_doubt_left_by_an_earlier_process_is_waited_for_and_synced(world: World) -> None:
    item = world.item(0, value="new")
    world.fill(world.pool, [item])
    world.fill(world.silo, [world.item(0, value="old")])
    ledger = MemoryLedger()
    ledger.park("Order.forward", DOUBT, [world.key(item)])
    move = world.move()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        assert channel.lag().doubtful == 1
        channel.settle(patience=10)
        world.assert_equal(world.pool, world.silo)
    finally:
        channel.close()


def test_what_is_synced_after_a_take_over_is_synced_again_after_the_horizon(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    taken = Horizon(since=time.monotonic(), seconds=1.0)
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD), taken_over=taken)
    channel.start(ChannelState.SYNC)
    try:
        world.fill(world.pool, [world.item(0, value="new")])
        until(lambda: len(world.mine(world.silo)) == 1)
        assert [group for group, _ in keys_of(ledger, channel.name)] == [DOUBT]
        # The dead process's own write of an older state, in flight when it died, lands now.
        world.fill(world.silo, [world.item(0, value="old")])
        channel.settle(patience=10)
        assert time.monotonic() >= taken.since + taken.seconds
        world.assert_equal(world.pool, world.silo)

        ledger.told.clear()
        world.fill(world.pool, [world.item(1)])
        channel.settle(patience=10)
        assert "park doubt" not in ledger.told, "after the horizon nothing is doubtful any more"
    finally:
        channel.close()


def test_two_syncs_of_a_key_never_overlap_and_the_later_one_reads_the_later_state(world: World) -> None:
    """The first sync has read and is held at its write; the tenant writes; a second sync must wait for the first."""
    world.fill(world.pool, [world.item(0, value="old")])
    reached, go_on = threading.Event(), threading.Event()

    def held(faulty: Faulty, table: str, puts: Any, deletes: Any) -> Any:
        faulty.fault = None
        reached.set()
        assert go_on.wait(10)
        return faulty.items.batch_write(table, puts, deletes)

    wrap, made = wrapping(None)
    move = world.move(wrap=wrap)
    key = world.key(world.item(0))
    made[-1].fault = held
    first = threading.Thread(target=move.sync, args=(Flow.FORWARD, [key]))
    first.start()
    assert reached.wait(10)
    world.fill(world.pool, [world.item(0, value="new")])
    second = threading.Thread(target=move.sync, args=(Flow.FORWARD, [key]))
    second.start()
    second.join(0.2)
    assert second.is_alive(), "the key is held by the first sync"
    go_on.set()
    first.join()
    second.join()
    world.assert_equal(world.pool, world.silo)


def test_a_key_that_was_not_answered_is_not_taken_for_absent(world: World) -> None:
    items = [world.item(number) for number in range(40)]
    world.fill(world.pool, items)
    world.fill(world.silo, items)
    answered: list[int] = []

    class Partly(Faulty):
        def batch_get(self, table: str, keys: Any, **more: Any) -> Any:
            got = self.items.batch_get(table, keys[:7], **more)
            answered.append(len(got.items))
            return got._replace(left=[*got.left, *keys[7:]])

    world.move(wrap=Partly).sync(Flow.FORWARD, [world.key(item) for item in items])
    assert len(answered) > 5
    world.assert_equal(world.pool, world.silo)
    assert len(world.mine(world.silo)) == 40
