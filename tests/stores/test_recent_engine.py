"""What the stream still tells of the tenant's keys, beside a channel that has read it."""

import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for

import pytest

from portability.stores.base import ChannelState, Flow
from portability.stores.dynamodb.feed import END
from portability.stores.dynamodb.recent import QUIET, Left
from portability.stores.dynamodb.shard import Read
from tests.stores.both import Both
from tests.stores.memory_ledger import MemoryLedger
from tests.stores.world import opened

LATER = 120.0  # seconds: DynamoDB Local's records say the minute only


def empty(tip: float | None, position: str | None = None, *, closed: bool = False, foreign: int = 0) -> Read:
    return Read("shard", [], position, closed=closed, tip=tip, foreign=foreign)


def test_a_shard_is_read_where_the_channel_stands() -> None:
    left = Left("AFTER:20")
    assert not left.is_read(empty(1.0))
    assert not left.is_read(empty(None, "19", foreign=5))
    assert left.is_read(empty(None, "20", foreign=1))
    assert not Left("AT:20").is_read(empty(1.0, "18"))
    assert Left("AT:20").is_read(empty(1.0, "19"))
    assert Left("TRIM_HORIZON").is_read(empty(1.0))


def test_a_shard_that_the_channel_read_to_its_end_is_read_to_its_end() -> None:
    assert not Left(END).is_read(empty(1.0, "99"))
    assert Left(END).is_read(empty(1.0, "99", closed=True))


def test_an_empty_page_alone_is_not_the_end_but_a_quiet_while_is() -> None:
    left = Left("AFTER:20")
    assert not left.is_read(empty(1.0))
    assert not left.is_read(empty(1.0 + QUIET / 2))
    assert not left.is_read(empty(None, "12", foreign=1))
    assert not left.is_read(empty(1.0 + QUIET))
    assert left.is_read(empty(1.0 + 2 * QUIET))


@pytest.mark.usefixtures("aws_env")
def test_every_key_of_the_tenant_that_changed_since_is_told_and_no_neighbours(prefix: str) -> None:
    both = Both(prefix)
    world, ledger = both.world, MemoryLedger()
    channel = opened(both.move, Flow.FORWARD, ledger, done=both.move.units(Flow.FORWARD))
    channel.start(ChannelState.SYNC)
    try:
        world.fill(both.source, [world.item(number, value="new") for number in (3, 5, 77)])
        world.dynamo.batch_write(both.source, [], [world.key(world.item(7))])
        world.settle_neighbours(world.pool, count=2)
        channel.settle(patience=10)
        channel.mark()
        assert channel.changed() == []
        told = {key["sk"]["S"] for key in channel.recent(0.0, patience=10)}
        assert told == {world.key(world.item(number))["sk"]["S"] for number in (3, 5, 7, 77)}
        assert channel.recent(time.time() + LATER, patience=10) == []
        world.fill(both.source, [world.item(9, value="newer")])
        channel.settle(patience=10)
        (only,) = channel.recent(time.time() + LATER, patience=10)
        assert only == world.key(world.item(9))
        assert len(channel.recent(0.0, patience=10)) == 5
    finally:
        channel.close()


@pytest.mark.usefixtures("aws_env")
def test_what_a_turn_took_before_the_mark_is_waited_for(prefix: str) -> None:
    both = Both(prefix)
    world, ledger = both.world, MemoryLedger()
    channel = opened(both.move, Flow.FORWARD, ledger, done=both.move.units(Flow.FORWARD))
    key = world.key(world.item(3))
    channel.start(ChannelState.SYNC)
    try:
        with ThreadPoolExecutor(1) as pool:
            with channel._w.sync.in_flight.hold([channel._w.origin.layout.key_id(key)]):
                world.fill(both.source, [world.item(3, value="new")])
                while not channel._poller.learnt:
                    time.sleep(0.01)
                channel.mark()
                told = pool.submit(channel.recent, 0.0, patience=30)
                assert wait_for([told], timeout=QUIET).not_done
            assert told.result() == [key]
    finally:
        channel.close()
