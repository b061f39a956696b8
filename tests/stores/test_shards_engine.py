"""A channel over a stream with splits, delays and losses; the items are on DynamoDB Local."""

import dataclasses
import threading
import time
from typing import Any

import pytest

from portability import errors
from portability.stores.base import MEASURED, ChannelState, Flow, Key, Measured
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.channel import DynamoChannel
from portability.stores.dynamodb.parking import EXPIRED
from portability.stores.dynamodb.reader import Readers
from portability.stores.dynamodb.stream import On
from tests.stores.fake_streams import ARN, FakeStreams
from tests.stores.memory_ledger import MemoryLedger
from tests.stores.world import World, until


class FakeTableStream:
    def __init__(self, streams: FakeStreams) -> None:
        self.streams = streams
        self.table = "pool"

    def latest(self) -> On:
        return On(ARN, keys_only=True)

    def ensure(self, ledger: Any) -> tuple[On, bool]:
        return self.latest(), False

    def let_go(self, ledger: Any) -> None:
        pass


class Stage:
    """A tenant whose writes reach the table, and the stream when and where the test says."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.streams = FakeStreams()
        self.streams.shard("a")
        self.ledger = MemoryLedger()
        self.readers = Readers()
        self.move = world.move(readers=self.readers)

    def open(self, *, pinned: bool = True, ledger: MemoryLedger | None = None) -> DynamoChannel:
        template = self.move.channel(Flow.FORWARD, MemoryLedger(), done=(), taken_over=None)
        assert isinstance(template, DynamoChannel)
        stream: Any = FakeTableStream(self.streams)
        wiring = dataclasses.replace(template._w, stream=stream)
        units = self.move.units(Flow.FORWARD)
        live = self.move._live[Flow.FORWARD]
        channel = DynamoChannel(wiring, ledger or self.ledger, done=units, taken_over=None, live=live)
        if pinned:
            channel.pin()
        return channel

    def write(self, shard: str, number: int, *, value: str = "v") -> None:
        item = self.world.item(number, value=value)
        self.world.fill(self.world.pool, [item])
        self.streams.write(shard, self.world.key(item))

    def expire(self, number: int) -> None:
        """DynamoDB deletes an item whose time has passed."""
        key = self.world.key(self.world.item(number))
        self.world.dynamo.batch_write(self.world.pool, [], [key])
        self.streams.write("a", key, event="REMOVE", by_ttl=True)

    def canary(self, *shards: str) -> Any:
        """Canaries that reach these shards, in turn."""
        make = self.move.canary("r-1")
        assert make is not None
        turn: list[int] = []

        def write(label: str) -> Key:
            key: Key = make(label)
            self.streams.write(shards[len(turn) % len(shards)], key, event="INSERT")
            turn.append(1)
            return key

        return write


@pytest.fixture
def stage(aws_env: None, prefix: str) -> Stage:
    world = World(prefix)
    world.make(world.pool)
    world.make(world.silo)
    return Stage(world)


def test_a_drain_reads_a_split_parent_to_its_end_however_early_the_children_answer(stage: Stage) -> None:
    channel = stage.open()
    stage.streams.shards["a"].empty_pages = 10**9
    for number in range(9):
        stage.write("a", number)
    stage.streams.shards["a"].closed = True
    stage.streams.shard("b", parent="a")
    stage.streams.shard("c", parent="a")
    channel.start(ChannelState.SYNC)
    shows = threading.Timer(0.7, lambda: setattr(stage.streams.shards["a"], "empty_pages", 0))
    shows.start()
    try:
        assert channel.drain(after=time.time(), canary=stage.canary("b", "c"), patience=20) == []
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
    finally:
        channel.stop()


def test_a_drain_that_could_not_even_list_the_shards_has_proven_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = stage.open()
    channel.start(ChannelState.SYNC)

    def throttled(_arn: str, **_: Any) -> list[Any]:
        raise errors.Throttled("slow down", operation="dynamodb-streams.DescribeStream", aws_code="Limit")

    try:
        with monkeypatch.context() as patched:
            patched.setattr(stage.streams, "describe", throttled)
            stage.write("a", 1)
            assert channel.drain(after=time.time(), canary=stage.canary("a"), patience=0.5) != []
        assert channel.drain(after=time.time(), canary=stage.canary("a"), patience=20) == []
    finally:
        channel.stop()


def test_children_that_are_not_listed_yet_are_waited_for_where_their_parent_was_read_to_its_end_before(
    stage: Stage,
) -> None:
    channel = stage.open()
    stage.write("a", 1)
    stage.streams.shard("z")
    stage.streams.shards["a"].closed = True
    child = stage.streams.shard("b", parent="a")
    child.unlisted = True
    channel.start(ChannelState.SYNC)
    shows = threading.Timer(1.0, lambda: setattr(child, "unlisted", False))
    try:
        channel.settle(patience=20)
        stage.write("b", 1, value="the last before the fence")
        shows.start()
        assert channel.drain(after=time.time(), canary=stage.canary("z", "b"), patience=20) == []
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
        child.closed = True  # and nothing follows it, ever: the store is compared whole
        assert channel.drain(after=time.time(), canary=stage.canary("z"), patience=0.5) != []
    finally:
        channel.stop()


def test_children_that_a_listing_shows_late_are_drained_too(stage: Stage) -> None:
    channel = stage.open()
    channel.start(ChannelState.SYNC)
    stage.write("a", 1)
    stage.streams.shards["a"].empty_pages = 10**9
    written: list[str] = []
    make = stage.canary("b")

    def canary(label: str) -> Key:
        if not written:
            written.append(label)
            # Listed was the parent alone; its child has taken a write since, and before any canary.
            stage.streams.shard("b", parent="a")
            stage.write("b", 2)
            stage.streams.shards["a"].closed = True
            stage.streams.shards["a"].empty_pages = 0
            stage.streams.shards["b"].empty_pages = 100
        key: Key = make(label)
        return key

    try:
        assert channel.drain(after=time.time(), canary=canary, patience=20) == []
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
    finally:
        channel.stop()


def test_a_delayed_shard_holds_the_drain_until_it_shows_its_canary(stage: Stage) -> None:
    stage.streams.shard("late")
    channel = stage.open()
    stage.write("late", 1)
    stage.streams.shards["late"].empty_pages = 10**9
    channel.start(ChannelState.SYNC)
    try:
        assert channel.drain(after=time.time(), canary=stage.canary("a"), patience=0.3) == ["late"]
        stage.streams.shards["late"].empty_pages = 50
        assert channel.drain(after=time.time(), canary=stage.canary("a", "late"), patience=20) == []
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
    finally:
        channel.stop()


def test_duplicates_reorder_and_a_key_in_two_shards_end_in_the_same_world(stage: Stage) -> None:
    stage.streams.shard("b")
    channel = stage.open()
    stage.write("a", 1, value="first")
    stage.write("b", 1, value="second")
    stage.streams.write("a", stage.world.key(stage.world.item(1)))
    stage.streams.shards["a"].records.reverse()
    stage.write("a", 2)
    channel.start(ChannelState.SYNC)
    try:
        until(lambda: len(stage.world.mine(stage.world.silo)) == 2)
        channel.settle(patience=10)
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
    finally:
        channel.stop()


def test_a_trim_while_it_reads_is_durably_a_rebaseline_before_any_position_moves(stage: Stage) -> None:
    channel = stage.open()
    stage.write("a", 1)
    channel.start(ChannelState.SYNC)
    channel.settle(patience=10)
    channel.stop()
    stage.world.fill(stage.world.pool, [stage.world.item(2)])  # its record was trimmed
    stage.streams.shards["a"].records = []
    stage.write("a", 3)

    again = stage.open()
    stage.ledger.saved.clear()
    again.start(ChannelState.SYNC)
    try:
        again.settle(patience=20)
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
        assert len(stage.world.mine(stage.world.silo)) == 3
        assert all(name.startswith("rebaseline|") for name in stage.ledger.saved[0])
        assert not any(name.startswith("rebaseline|") for name in stage.ledger.load_positions(again.name))
    finally:
        again.stop()


def test_throttled_readings_and_outages_of_the_stream_only_delay(stage: Stage) -> None:
    channel = stage.open()
    stage.write("a", 1)
    stage.streams.failures = [
        kind("x", operation="dynamodb-streams.GetRecords", aws_code="x")
        for kind in (errors.Throttled, errors.Unavailable)
    ]
    channel.start(ChannelState.SYNC)
    try:
        channel.settle(patience=10)
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
    finally:
        channel.stop()


# ----------------------------------------------------------------------------------------------- what expires by itself


def test_what_expires_on_the_side_that_serves_is_deleted_on_the_other(stage: Stage) -> None:
    channel = stage.open()
    channel.start(ChannelState.SYNC)
    try:
        stage.write("a", 1)
        stage.write("a", 2)
        channel.settle(patience=10)
        stage.expire(1)
        channel.settle(patience=10)
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
        assert len(stage.world.mine(stage.world.silo)) == 1
    finally:
        channel.stop()


def test_what_expires_on_the_side_that_serves_no_more_is_no_slip_and_a_deletion_by_somebody_is(stage: Stage) -> None:
    channel = stage.open()
    channel.start(ChannelState.WATCH)
    try:
        stage.expire(1)
        stage.streams.write("a", stage.world.key(stage.world.item(2)), event="REMOVE")
        until(lambda: channel.lag().parked == 1)
        assert channel.slips() == [digest.key_hash(stage.world.key(stage.world.item(2)))]
        assert not any(group.startswith(EXPIRED) for group, _ in stage.ledger.parked(channel.name).values())
    finally:
        channel.stop()


def test_what_expired_while_keys_were_parked_is_no_slip_later_not_even_for_the_next_process(stage: Stage) -> None:
    channel = stage.open()
    channel.start(ChannelState.PARK)
    stage.expire(1)
    stage.expire(2)
    stage.write("a", 2)  # somebody wrote it too
    until(lambda: channel.lag().parked == 1)
    expected = [digest.key_hash(stage.world.key(stage.world.item(2)))]
    channel.become(ChannelState.WATCH)
    assert channel.slips() == expected
    channel.stop()
    again = stage.open()
    again.start(ChannelState.WATCH)
    try:
        assert again.slips() == expected
    finally:
        again.stop()


def test_what_expired_while_keys_were_parked_is_synced_when_the_fence_is_lifted(stage: Stage) -> None:
    stage.write("a", 1)
    channel = stage.open()
    channel.start(ChannelState.SYNC)
    try:
        stage.write("a", 2)
        stage.world.fill(stage.world.silo, [stage.world.item(1)])
        channel.settle(patience=10)
        channel.become(ChannelState.PARK)
        stage.expire(1)
        until(lambda: any(group.startswith(EXPIRED) for group, _ in stage.ledger.parked(channel.name).values()))
        channel.become(ChannelState.SYNC)
        channel.settle(patience=10)
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
        assert not stage.ledger.parked(channel.name)
    finally:
        channel.stop()


# ----------------------------------------------------------------------------------------------------- shared, and kept


def test_two_channels_of_a_process_share_one_reader_which_outlives_the_first_to_close(stage: Stage) -> None:
    first, second = stage.open(), stage.open(ledger=MemoryLedger("r-2"))
    first.start(ChannelState.SYNC)
    second.start(ChannelState.SYNC)
    try:
        (reader,) = stage.readers.open.values()
        stage.write("a", 1)
        for channel in (first, second):
            channel.settle(patience=10)
            assert channel.counts()["synced"] == 1
        first.stop()
        stage.write("a", 2)
        second.settle(patience=10)
        assert stage.readers.open == {ARN: reader}
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
    finally:
        first.stop()
        second.stop()
    assert not stage.readers.open, "nobody follows: nothing is read any more"


def test_a_place_that_nobody_read_on_from_for_a_day_is_compared_anew_though_the_stream_says_nothing(
    stage: Stage,
) -> None:
    channel = stage.open()
    assert not any(name.startswith("rebaseline|") for name in stage.ledger.load_positions(channel.name))
    kept = Measured.of(stage.ledger.positions[channel.name][MEASURED])
    assert kept.lag_seconds is None
    stage.world.fill(stage.world.pool, [stage.world.item(1)])  # its record came, and was trimmed
    old = dataclasses.replace(kept, at=kept.at - 23.5 * 3600)
    stage.ledger.save_positions(channel.name, {MEASURED: old.text()})
    again = stage.open()
    assert any(name.startswith("rebaseline|") for name in stage.ledger.load_positions(channel.name))
    again.start(ChannelState.SYNC)
    try:
        again.settle(patience=20)
        stage.world.assert_equal(stage.world.pool, stage.world.silo)
    finally:
        again.stop()
