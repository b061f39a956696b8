"""The drain: nothing written before it is unread when it returns."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from portability import errors
from portability.stores.base import MEASURED, ChannelState, Flow, Key
from portability.stores.dynamodb.channel import DynamoChannel
from portability.stores.dynamodb.move import DynamoMove
from tests.stores import faults
from tests.stores.faults import Faulty
from tests.stores.memory_ledger import MemoryLedger
from tests.stores.world import World, Writer, keys_of, opened, until

pytestmark = pytest.mark.usefixtures("aws_env")


def canaries_in(world: World, table: str) -> list[Any]:
    return [item for item in world.all(table) if world.move_layout.is_canary(item)]


def with_faults(world: World) -> tuple[DynamoMove, list[Faulty]]:
    """A move, and what carries its writes to each side."""
    made: list[Faulty] = []

    def wrap(dynamo: Any) -> Faulty:
        made.append(Faulty(dynamo))
        return made[-1]

    return world.move(wrap=wrap), made


@pytest.mark.parametrize("sort_type", ("S", "N", "B", ""))
def test_a_drain_with_canaries_is_quick_proves_every_shard_and_leaves_nothing(
    aws_env: None, prefix: str, sort_type: str
) -> None:
    world = World(prefix, sort_type=sort_type or "S", sort_key="sk" if sort_type else None)
    world.make(world.pool)
    world.make(world.silo)
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        with Writer(world, world.pool, range(60)) as writer:
            writer.wait_for(100)
        began = time.monotonic()
        assert channel.drain(after=time.time(), canary=move.canary("r-1"), patience=10) == []
        assert time.monotonic() - began < 2
        writer.assert_kept(world.silo)
        world.assert_equal(world.pool, world.silo)
        assert canaries_in(world, world.silo) == []
        until(lambda: canaries_in(world, world.pool) == [] and not ledger.parked(channel.name))
    finally:
        channel.close()


def test_without_canaries_only_a_later_second_proves_a_shard(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        world.fill(world.pool, [world.item(1)])
        channel.settle(patience=10)
        # Records of this very second (here: minute, as this engine gives it) may be from before.
        world.fill(world.pool, [world.item(2)])
        silent = channel.drain(after=time.time(), canary=None, patience=1.5)
        assert len(silent) == 1, "a shard that proved nothing is named"
        with Writer(world, world.pool, range(40), pause=0.02):
            assert channel.drain(after=time.time() - 120, canary=None, patience=10) == []
    finally:
        channel.close()


def test_a_canary_of_an_earlier_drain_proves_nothing_for_a_later_one(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    make = move.canary("r-1")
    assert make is not None
    written: list[Key] = []
    channel.start(ChannelState.SYNC)
    try:
        channel.drain(after=time.time(), canary=_noting(make, written), patience=10)
        first, written[:] = list(written), []
        channel.drain(after=time.time(), canary=_noting(make, written), patience=10)
        assert not {str(key) for key in first} & {str(key) for key in written}
    finally:
        channel.close()


def _noting(make: Callable[[str], Key], written: list[Key]) -> Callable[[str], Key]:
    def note(label: str) -> Key:
        key = make(label)
        written.append(key)
        return key

    return note


def test_canaries_that_a_dead_process_left_are_removed_by_the_next(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    make = move.canary("r-1")
    assert make is not None
    left = make("left")
    ledger.park("Order.forward", "canary", [left])
    world.fill(world.pool, [left])
    channel = opened(world.move(), Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        until(lambda: canaries_in(world, world.pool) == [])
        until(lambda: not ledger.parked(channel.name))
    finally:
        channel.close()


def test_a_channel_that_never_ran_takes_its_canaries_with_it_when_it_is_closed(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    make = move.canary("r-1")
    assert make is not None
    ledger.park("Order.forward", "canary", [make("left")])
    world.fill(world.pool, [make("left")])
    move.channel(Flow.FORWARD, ledger, done=(), taken_over=None).close()
    assert canaries_in(world, world.pool) == []
    assert not ledger.parked("Order.forward")


def test_a_drain_with_parked_keys_that_may_not_be_synced_is_refused(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger)  # no unit is done
    channel.start(ChannelState.SYNC)
    try:
        world.fill(world.pool, [world.item(1)])
        with pytest.raises(errors.Parked, match="1 parked keys"):
            channel.drain(after=time.time(), canary=move.canary("r-1"), patience=1)
    finally:
        channel.close()


def test_a_batch_that_only_the_journal_knows_of_stops_the_drain(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        ledger.park(channel.name, "p/tenant-42-1", [world.key(world.item(0))])
        with pytest.raises(errors.Parked, match="1 keys in group p/tenant-42-1"):
            channel.drain(after=time.time(), canary=move.canary("r-1"), patience=2)
    finally:
        channel.close()


def test_positions_are_durable_when_a_drain_returns(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        world.fill(world.pool, [world.item(1)])
        channel.drain(after=time.time(), canary=move.canary("r-1"), patience=10)
        feed = channel._poller.feed
        unsaved = {MEASURED, *feed.dirty, *feed.stale}
        saved = {name: at for name, at in ledger.load_positions(channel.name).items() if name not in unsaved}
        assert {name: at for name, at in feed.positions.items() if name not in unsaved} == saved
        read = {name: at for name, at in ledger.load_positions(channel.name).items() if name != MEASURED}
        channel.stop()
        ledger.fail_on = "save_positions"
        again = opened_without_saving(world, ledger)
        assert again == read
    finally:
        channel.stop()


def opened_without_saving(world: World, ledger: MemoryLedger) -> dict[str, str]:
    ledger.fail_on = ""
    return {name: at for name, at in ledger.load_positions("Order.forward").items() if name != MEASURED}


def test_the_way_back_is_proven_by_a_canary_while_it_may_write_nothing_else(world: World) -> None:
    world.fill(world.pool, [world.item(1, value="source")])
    move, ledger = world.move(), MemoryLedger()
    back = opened(move, Flow.REVERSE, ledger, done=move.units(Flow.REVERSE))
    back.start(ChannelState.CANARY)
    try:
        world.fill(world.silo, [world.item(1, value="target")])
        move.canary_roundtrip(Flow.REVERSE, back, run="r-1", patience=10)
        assert canaries_in(world, world.pool) == []
        assert canaries_in(world, world.silo) == []
        until(lambda: back.lag().parked == 1)
        assert list(world.mine(world.pool).values()) == [world.item(1, value="source")]
        assert not any(group == "canary" for group, _ in keys_of(ledger, back.name))
        back.become(ChannelState.SYNC)
        back.settle(patience=10)
        assert list(world.mine(world.pool).values()) == [world.item(1, value="target")]
    finally:
        back.close()


@pytest.mark.parametrize("withdrawn", (False, True))
def test_a_canary_of_a_process_that_was_killed_is_removed_on_both_sides(world: World, withdrawn: bool) -> None:
    move, ledger = world.move(), MemoryLedger()
    back = opened(move, Flow.REVERSE, ledger, done=move.units(Flow.REVERSE))
    make = move.canary("r-1")
    assert isinstance(back, DynamoChannel)
    assert make is not None
    back.start(ChannelState.CANARY)
    back.put_canary(make("1"))
    until(lambda: bool(canaries_in(world, world.pool)))
    back.stop()
    if withdrawn:
        back.withdraw_canaries()  # the deletion reached one side, and nobody was left to carry it to the other

    again = opened(world.move(), Flow.REVERSE, ledger, done=move.units(Flow.REVERSE))
    again.start(ChannelState.CANARY)
    try:
        until(lambda: not canaries_in(world, world.pool) and not canaries_in(world, world.silo))
        until(lambda: not any(group == "canary" for group, _ in keys_of(ledger, again.name)))
    finally:
        again.close()


def test_another_runs_canary_is_not_let_through(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    back = opened(move, Flow.REVERSE, ledger, done=move.units(Flow.REVERSE))
    make = move.canary("r-other")
    assert make is not None
    back.start(ChannelState.CANARY)
    try:
        world.fill(world.silo, [make("1")])
        move.canary_roundtrip(Flow.REVERSE, back, run="r-1", patience=10)
        assert canaries_in(world, world.pool) == []
    finally:
        back.close()


def test_a_canary_that_does_not_arrive_parks_the_run(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    back = opened(move, Flow.REVERSE, ledger, done=move.units(Flow.REVERSE))
    back.start(ChannelState.PARK)  # a channel that lets nothing through
    try:
        with pytest.raises(errors.Parked, match="did not arrive"):
            move.canary_roundtrip(Flow.REVERSE, back, run="r-1", patience=0.3)
    finally:
        back.close()
    assert canaries_in(world, world.silo) == []


def test_a_canary_that_could_be_read_as_somebodys_key_is_not_made(aws_env: None, prefix: str) -> None:
    world = World(prefix, pattern="{rest}#{tenant}")
    world.make(world.pool)
    assert world.move().canary("r-1") is None


@pytest.mark.parametrize("lands", (False, True))
def test_a_canary_whose_write_is_not_answered_is_written_again_and_leaves_nothing(world: World, lands: bool) -> None:
    (move, made), ledger = with_faults(world), MemoryLedger()
    back = opened(move, Flow.REVERSE, ledger, done=move.units(Flow.REVERSE))
    back.start(ChannelState.CANARY)
    for one in made:
        one.fault = faults.lost
    try:
        move.canary_roundtrip(Flow.REVERSE, back, run="r-1", patience=10)
        assert any(one.held for one in made), "the first request was lost"
        for one in made:
            one.fault = None
            if lands:
                one.land()  # behind its own removal, had that not waited
    finally:
        back.close()
    assert canaries_in(world, world.silo) == canaries_in(world, world.pool) == []
    assert not any(group == "canary" for group, _ in keys_of(ledger, back.name))


def test_a_canary_that_cannot_be_written_at_all_says_so(world: World) -> None:
    (move, made), ledger = with_faults(world), MemoryLedger()
    back = opened(move, Flow.REVERSE, ledger, done=move.units(Flow.REVERSE))
    back.start(ChannelState.CANARY)
    for one in made:
        one.fault = faults.silent
    try:
        with pytest.raises(errors.Unavailable, match="whether a canary was written"):
            move.canary_roundtrip(Flow.REVERSE, back, run="r-1", patience=10)
    finally:
        for one in made:
            one.fault = None
        back.close()
    assert canaries_in(world, world.silo) == []
