"""Streams that were replaced, pollers that died, outages."""

import dataclasses
from typing import Any

import pytest

from portability import errors
from portability.aws.dynamodb import Dynamo
from portability.stores.base import MEASURED, ChannelState, Flow, Measured
from portability.stores.dynamodb.reader import Readers
from portability.stores.dynamodb.stream import On, TableStream
from tests.stores import faults
from tests.stores.faults import Faulty
from tests.stores.memory_ledger import Crash, MemoryLedger
from tests.stores.world import World, opened, until

pytestmark = pytest.mark.usefixtures("aws_env")


def test_a_stream_that_was_replaced_is_followed_anew_and_every_unit_is_compared(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    items = [world.item(number) for number in range(30)]
    world.fill(world.pool, items)
    channel.settle(patience=10)
    channel.stop()

    old = set(ledger.places())
    world.dynamo.update_table(TableName=world.pool, StreamSpecification={"StreamEnabled": False})
    world.fill(world.pool, [world.item(1, value="unseen"), world.item(31)])
    world.dynamo.batch_write(world.pool, [], [world.key(items[2])])
    world.dynamo.update_table(
        TableName=world.pool, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    )
    again = opened(world.move(), Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    assert any(name.startswith("rebaseline|") for name in ledger.load_positions(again.name)), "durable at once"
    assert again.lag().seconds is None
    again.start(ChannelState.SYNC)
    try:
        again.settle(patience=20)
        world.assert_equal(world.pool, world.silo)
        assert not old & set(ledger.places())
        assert not any(name.startswith("rebaseline|") for name in ledger.load_positions(again.name))
    finally:
        again.close()


def test_a_stream_that_is_replaced_while_it_is_read_is_noticed(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        channel.settle(patience=10)
        world.dynamo.update_table(TableName=world.pool, StreamSpecification={"StreamEnabled": False})
        world.fill(world.pool, [world.item(1)])
        channel.settle(patience=20)
        world.assert_equal(world.pool, world.silo)
    finally:
        channel.close()


@pytest.mark.parametrize("changed_before", (False, True))
def test_what_a_trimmed_shard_no_longer_tells_is_found_by_comparing(world: World, changed_before: bool) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        if changed_before:
            channel.mark()
        world.fill(world.pool, [world.item(1), world.item(2)])
        channel.settle(patience=20)
        assert len(channel.changed() or []) == (2 if changed_before else 0)
        world.dynamo.delete(world.silo, world.key(world.item(2)))  # as if its record had been trimmed unread
        channel._poller.feed.lost = True
        until(lambda: len(world.mine(world.silo)) == 2, patience=20)
        channel.settle(patience=20)
        world.assert_equal(world.pool, world.silo)
    finally:
        channel.close()


def test_a_channel_that_watches_tells_how_far_it_has_read_and_that_records_were_lost_before(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    channel.settle(patience=20)
    assert not channel.lag().lost
    channel.stop()
    days_ago = Measured(at=0.0, lag_seconds=0.0, backlog=0, retention_left_seconds=None)
    ledger.save_positions(channel.name, {MEASURED: days_ago.text()})
    again = opened(world.move(), Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    again.start(ChannelState.WATCH)
    try:
        until(lambda: again.lag().seconds is not None, patience=20)
        assert again.lag().lost
        assert any(name.startswith("rebaseline|") for name in ledger.load_positions(again.name)), "nothing is compared"
    finally:
        again.close()


def test_two_runs_notice_a_stream_that_was_turned_off_and_lose_nothing(world: World) -> None:
    world.make(world.pool_b)
    readers = Readers()
    moves = [world.move(readers=readers), world.move(target=world.pool_b, readers=readers)]
    ledgers = [MemoryLedger("r-1"), MemoryLedger("r-2")]
    channels = [
        opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
        for move, ledger in zip(moves, ledgers, strict=True)
    ]
    try:
        for channel in channels:
            channel.start(ChannelState.SYNC)
        world.fill(world.pool, [world.item(1)])
        world.dynamo.update_table(TableName=world.pool, StreamSpecification={"StreamEnabled": False})
        world.fill(world.pool, [world.item(2)])
        for channel in channels:
            channel.settle(patience=20)
        world.fill(world.pool, [world.item(3)])
        for channel in channels:
            channel.settle(patience=20)
        world.assert_equal(world.pool, world.silo)
        world.assert_equal(world.pool, world.pool_b)
        assert len(readers.open) == 1, "they share the reader of the new stream, and nobody reads the old one"
    finally:
        for channel in channels:
            channel.stop()


def test_a_lost_stream_of_a_scanned_table_also_finds_what_was_deleted_meanwhile(world: World) -> None:
    move, ledger = world.move(world.silo, world.pool), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    world.settle_neighbours(world.pool, count=3)
    before = world.others(world.pool)
    world.fill(world.silo, [world.item(number) for number in range(9)])
    channel.settle(patience=10)
    channel.stop()
    world.dynamo.update_table(TableName=world.silo, StreamSpecification={"StreamEnabled": False})
    world.dynamo.batch_write(world.silo, [], [world.key(world.item(number)) for number in (0, 3, 6)])
    again = opened(world.move(world.silo, world.pool), Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    again.start(ChannelState.SYNC)
    try:
        again.settle(patience=20)
        assert len(world.mine(world.pool)) == 6
        world.assert_equal(world.silo, world.pool)
        assert world.others(world.pool) == before
    finally:
        again.close()


def test_a_poller_that_dies_says_of_what_to_whoever_asks(world: World) -> None:
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger)
    channel.start(ChannelState.SYNC)
    ledger.fail_on = f"park p/{world.partition(world.tenant, 0)}"
    world.fill(world.pool, [world.item(0)])
    for ask in (
        lambda: until(lambda: channel.lag() is None),
        lambda: channel.settle(patience=1),
        lambda: channel.drain(after=0.0, canary=None, patience=1),
        lambda: channel.become(ChannelState.PARK),
        lambda: channel.unit_done(move.units(Flow.FORWARD)[0]),
    ):
        with pytest.raises(Crash):
            ask()
    channel.stop()


def test_an_outage_is_outlived_for_a_while_and_then_ends_the_channel(world: World) -> None:
    made: list[Faulty] = []

    def wrap(dynamo: Any) -> Faulty:
        made.append(Faulty(dynamo, faults.throttled))
        return made[-1]

    move, ledger = world.move(wrap=wrap), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger, done=move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    world.fill(world.pool, [world.item(0)])
    with pytest.raises(errors.Throttled):
        until(lambda: channel.lag() is None)
    channel.stop()


def test_a_stream_that_another_run_turned_on_a_moment_ago_is_used(world: World) -> None:
    stream = world.move()._source.stream()
    on, fresh = stream.ensure(MemoryLedger())
    assert fresh
    late = SawNothing(stream.table, stream.dynamo, stream.streams, stream.monotonic, stream.retry)
    assert late.ensure(MemoryLedger())[0] == on


class SawNothing(TableStream):
    """Its first look is as old as the moment before the stream was on."""

    looked = False

    def latest(self) -> On | None:
        looked, type(self).looked = self.looked, True
        return super().latest() if looked else None


def test_a_stream_is_turned_on_and_off_though_the_first_answer_is_an_error(world: World) -> None:
    stream, ledger = world.move()._source.stream(), MemoryLedger()
    dynamo: Any = Stuttering(stream.dynamo)
    stream = dataclasses.replace(stream, dynamo=dynamo)
    assert stream.ensure(ledger)[1]
    dynamo.refusals = 1
    stream.let_go(ledger)
    assert dynamo.refusals == 0
    assert stream.latest() is None


class Stuttering:
    """A control plane that does as it is told and then says that it could not."""

    def __init__(self, dynamo: Dynamo) -> None:
        self.dynamo = dynamo
        self.refusals = 1

    def update_table(self, **request: Any) -> None:
        self.dynamo.update_table(**request)
        if self.refusals:
            self.refusals -= 1
            raise errors.Unavailable("failed", operation="dynamodb.UpdateTable", aws_code="InternalFailure")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dynamo, name)
