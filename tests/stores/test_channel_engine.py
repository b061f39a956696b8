"""The channel: what it learns, what it keeps, and when its positions move."""

import time
from typing import Any

import pytest

from portability.stores.base import ChannelState, Flow
from portability.stores.dynamodb import digest
from tests.stores import faults
from tests.stores.faults import Faulty
from tests.stores.memory_ledger import Crash, MemoryLedger
from tests.stores.world import World, Writer, copy_all, keys_of, opened, until

pytestmark = pytest.mark.usefixtures("aws_env")


# ------------------------------------------------------------------------------------------------------------------ pin


def test_a_pin_turns_the_stream_on_for_keys_only_and_the_last_user_turns_it_off(world: World) -> None:
    mine, other = MemoryLedger("r-1"), MemoryLedger("r-2")
    other.users = mine.users
    first = opened(world.move(), Flow.FORWARD, mine)
    description: Any = world.dynamo.describe(world.pool)
    assert description["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    assert mine.users == {world.pool: ["r-1"]}
    second = opened(world.move(), Flow.FORWARD, other)
    assert mine.users == {world.pool: ["r-1", "r-2"]}
    first.close()
    assert second._w.stream.latest() is not None
    second.close()
    assert second._w.stream.latest() is None


def test_a_stream_that_was_on_is_used_as_it_is_and_left_on(aws_env: None, prefix: str) -> None:
    world = World(prefix)
    world.make(world.pool, stream="NEW_AND_OLD_IMAGES")
    world.make(world.silo)
    ledger = MemoryLedger()
    channel = opened(world.move(), Flow.FORWARD, ledger)
    assert not any(ledger.users.values())
    channel.close()
    assert channel._w.stream.latest() is not None


def test_what_was_written_before_the_pin_is_not_read_and_what_comes_after_is(aws_env: None, prefix: str) -> None:
    world = World(prefix)
    world.make(world.pool, stream="KEYS_ONLY")
    world.make(world.silo)
    world.fill(world.pool, [world.item(number) for number in range(50)])
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    assert all(place.startswith("AFTER:") for place in ledger.places().values())
    world.fill(world.pool, [world.item(50)])
    channel.start(ChannelState.SYNC)
    try:
        channel.settle(patience=10)
        assert list(world.mine(world.silo).values()) == [world.item(50)]
    finally:
        channel.close()


def test_a_second_pin_keeps_the_positions_and_reads_what_came_while_nobody_did(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    opened(move, Flow.FORWARD, ledger)
    before = ledger.places()
    world.fill(world.pool, [world.item(1), world.item(2)])
    channel = opened(world.move(), Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    assert ledger.places() == before
    channel.start(ChannelState.SYNC)
    try:
        channel.settle(patience=10)
        world.assert_equal(world.pool, world.silo)
    finally:
        channel.close()


def test_a_channel_that_is_not_pinned_does_not_start(world: World) -> None:
    with pytest.raises(RuntimeError, match="not pinned"):
        world.move().channel(Flow.FORWARD, MemoryLedger(), done=(), taken_over=None).start(ChannelState.SYNC)


# -------------------------------------------------------------------------------------------------------------- parking


def test_keys_of_an_unfinished_unit_are_parked_once_before_any_position_moves(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger)
    ledger.told.clear()
    channel.start(ChannelState.SYNC)
    try:
        for turn in range(5):
            world.fill(world.pool, [world.item(number, value=f"{turn}") for number in range(6)])
        until(lambda: channel.lag().parked == 6 and channel.lag().backlog == 0)
        until(lambda: any(place.startswith("AFTER:") for place in ledger.places().values()))
        assert ledger.told[0].startswith("park p/")
        assert sorted(str(key["sk"]) for _, key in keys_of(ledger, channel.name)) == sorted(
            str(world.item(number)["sk"]) for number in range(6)
        ), "a hot key is parked once"
        assert world.mine(world.silo) == {}, "a key of a unit that is being copied must not be written"
        copy_all(move, Flow.FORWARD, channel)
        assert channel.lag().parked == 0
        channel.settle(patience=10)
        world.assert_equal(world.pool, world.silo)
    finally:
        channel.close()


def test_a_crash_between_parking_and_position_loses_no_key(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    units = move.units(Flow.FORWARD)
    dying = opened(move, Flow.FORWARD, ledger)
    before = ledger.places()
    ledger.fail_on = "save_positions"
    dying.start(ChannelState.SYNC)
    world.fill(world.pool, [world.item(1)])
    with pytest.raises(Crash):
        until(lambda: dying.lag() is None)
    dying.stop()
    ledger.fail_on = ""
    assert ledger.places() == before
    assert len(list(keys_of(ledger, dying.name))) == 1

    channel = opened(world.move(), Flow.FORWARD, ledger, done=units)
    channel.start(ChannelState.SYNC)
    try:
        channel.settle(patience=10)
        world.assert_equal(world.pool, world.silo)
        assert len(world.mine(world.silo)) == 1
    finally:
        channel.close()


def test_a_key_that_cannot_be_parked_holds_the_position_back(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    unit = f"p/{world.partition(world.tenant, 1)}"
    dying = opened(move, Flow.FORWARD, ledger)
    ledger.fail_on = f"park {unit}"
    dying.start(ChannelState.SYNC)
    world.fill(world.pool, [world.item(1)])
    with pytest.raises(Crash):
        until(lambda: dying.lag() is None)
    ledger.fail_on = ""
    dying.stop()
    channel = opened(world.move(), Flow.FORWARD, ledger)
    channel.start(ChannelState.SYNC)
    try:
        until(lambda: channel.lag().parked == 1)
    finally:
        channel.close()


def test_a_position_waits_for_the_sync(world: World) -> None:
    made: list[Faulty] = []

    def wrap(dynamo: Any) -> Faulty:
        made.append(Faulty(dynamo))
        return made[-1]

    move, ledger = world.move(wrap=wrap), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    before = ledger.places()
    for faulty in made:
        faulty.fault = faults.throttled
    channel.start(ChannelState.SYNC)
    try:
        world.fill(world.pool, [world.item(1)])
        until(lambda: any(faulty.calls for faulty in made))
        time.sleep(0.3)
        assert ledger.places() == before
        assert channel.lag().backlog == 1
        canary = move.canary("r-1")
        assert canary is not None
        world.fill(world.pool, [canary(f"{number}") for number in range(5)])
        until(lambda: len(channel._poller.subscription.waiting()) == 5)
        assert channel.lag().backlog == 1, "canaries wait for nobody"
        for faulty in made:
            faulty.fault = None
        channel.settle(patience=10)
        world.assert_equal(world.pool, world.silo)
        until(lambda: ledger.places() != before)
    finally:
        channel.close()


def test_a_scanned_tables_keys_wait_for_the_last_segment(world: World) -> None:
    move, ledger = world.move(world.silo, world.pool), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger)
    channel.start(ChannelState.SYNC)
    try:
        world.fill(world.silo, [world.item(1)])
        until(lambda: channel.lag().parked == 1)
        *others, last = move.units(Flow.FORWARD)
        for unit in others:
            channel.unit_done(unit)
        time.sleep(0.1)
        assert world.mine(world.pool) == {}
        channel.unit_done(last)
        world.assert_equal(world.silo, world.pool)
    finally:
        channel.close()


def test_neighbours_are_dropped_after_the_parse_and_nothing_of_them_is_kept(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger)
    channel.start(ChannelState.SYNC)
    try:
        world.settle_neighbours(world.pool, count=5)
        world.fill(world.pool, [world.item(1)])
        until(lambda: channel.counts()["foreign_dropped"] == 15 and channel.lag().parked == 1)
        assert all(world.move_layout.is_mine(key) for _, key in keys_of(ledger, channel.name))
    finally:
        channel.close()


# --------------------------------------------------------------------------------------------------- states and records


def test_a_parking_channel_writes_nothing_and_syncs_when_it_is_told_to(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        channel.become(ChannelState.PARK)
        world.fill(world.pool, [world.item(1)])
        until(lambda: channel.lag().parked == 1)
        assert world.mine(world.silo) == {}
        channel.become(ChannelState.SYNC)
        channel.settle(patience=10)
        world.assert_equal(world.pool, world.silo)
    finally:
        channel.close()


def test_a_slip_is_seen_by_the_watch_kept_by_hash_and_parked_also_when_it_came_before_the_watch(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        world.fill(world.pool, [world.item(1)])
        channel.drain(after=time.time(), canary=move.canary("r-1"), patience=10)
        channel.become(ChannelState.PARK)
        world.fill(world.pool, [world.item(2)])  # between the drain and the flip
        until(lambda: channel.lag().parked == 1)
        channel.become(ChannelState.WATCH)
        world.settle_neighbours(world.pool, count=2)
        world.fill(world.pool, [world.item(3)])
        until(lambda: channel.lag().parked == 2)
        expected = sorted(digest.key_hash(world.key(world.item(number))) for number in (2, 3))
        assert channel.slips() == expected
        assert len(world.mine(world.silo)) == 1, "a slip is shown, not copied over what the target has"
        channel.stop()

        again = opened(world.move(), Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
        again.start(ChannelState.WATCH)
        assert again.slips() == expected, "a process that comes later sees them too"
        again.stop()
    finally:
        channel.stop()


def test_no_slip_is_seen_where_nobody_slipped(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        with Writer(world, world.pool, range(40)) as writer:
            writer.wait_for(40)
        channel.drain(after=time.time(), canary=move.canary("r-1"), patience=10)
        channel.become(ChannelState.WATCH)
        time.sleep(0.2)
        assert channel.slips() == []
        channel.stop()
        again = opened(world.move(), Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
        again.start(ChannelState.WATCH)
        time.sleep(0.3)
        assert again.slips() == [], "what was drained before the restart is no slip"
        again.stop()
    finally:
        channel.stop()


def test_changed_keys_are_those_since_the_mark_and_unknown_after_a_restart(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        assert channel.changed() is None
        world.fill(world.pool, [world.item(1)])
        channel.settle(patience=10)
        channel.mark()
        assert channel.changed() == []
        world.fill(world.pool, [world.item(2), world.item(2, value="again")][:1])
        channel.settle(patience=10)
        assert channel.changed() == [world.key(world.item(2))]
        channel.stop()
        assert opened(world.move(), Flow.FORWARD, ledger).changed() is None
    finally:
        channel.stop()


def test_the_lag_is_unknown_until_the_tip_was_seen_and_small_after(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    assert channel.lag().seconds is None
    channel.start(ChannelState.SYNC)
    try:
        until(lambda: channel.lag().seconds is not None)
        lag = channel.lag()
        assert lag.seconds is not None
        assert lag.seconds < 2
        assert lag.retention_left is not None
        assert 86000 < lag.retention_left <= 86400
    finally:
        channel.close()
