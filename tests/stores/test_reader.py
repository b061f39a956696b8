"""One reader a stream: who shares it, what it asks for and how often, and that nobody misses a record."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portability import errors
from portability.stores.dynamodb.allowance import Allowance
from portability.stores.dynamodb.feed import END
from portability.stores.dynamodb.gauge import Gauge
from portability.stores.dynamodb.reader import Looks
from portability.stores.dynamodb.shard import Read
from tests.stores.fake_streams import ARN, FakeShard, FakeStreams
from tests.stores.following import Reader, VirtualClock, key


@pytest.fixture
def streams() -> FakeStreams:
    streams = FakeStreams()
    streams.shard("a")
    return streams


def write(streams: FakeStreams, shard: str, *numbers: int) -> None:
    for number in numbers:
        streams.write(shard, key(number))


def numbers(reads: list[Read]) -> list[int]:
    return [int(record.keys["pk"]["S"][2:]) for read in reads for record in read.records]


def asked_in(reader: Reader, seconds: float) -> int:
    """Pages asked for meanwhile."""
    before = reader.streams.pages
    reader.wait(seconds)
    return reader.streams.pages - before


# -------------------------------------------------------------------------------------------------------- who shares it


def test_two_channels_of_a_stream_ask_no_more_than_one_does(streams: FakeStreams) -> None:
    first = Reader(streams).pin()
    write(streams, "a", *range(1, 9))
    first.wait(20)
    alone = asked_in(first, 60)
    second = Reader(streams, beside=first).pin()
    second.wait(20)
    assert asked_in(first, 60) == alone
    write(streams, "a", 10)
    first.wait(2)
    assert numbers(first.subscription.take())[-1] == 10
    assert numbers(second.subscription.take()) == [10]


def test_one_that_was_pinned_earlier_catches_up_and_misses_and_repeats_nothing(streams: FakeStreams) -> None:
    late = Reader(streams).pin()  # it is resumed later from this place
    write(streams, "a", *range(1, 20))
    first = Reader(streams).pin()
    assert first.read() == []
    again = Reader(streams, late.durable, beside=first).pin()
    write(streams, "a", 20)
    assert again.read() == list(range(1, 21))
    assert numbers(first.subscription.take()) == [20]
    assert len(first.reader._shards["a"].cursors) == 1, "they stand at one place now"


def test_the_reader_goes_on_for_the_others_when_one_leaves(streams: FakeStreams) -> None:
    first = Reader(streams).pin()
    second = Reader(streams, beside=first).pin()
    first.subscription.close()
    write(streams, "a", 1)
    assert second.read() == [1]
    assert first.subscription.take() == []


def test_one_that_is_full_is_left_behind_and_holds_up_nobody(streams: FakeStreams) -> None:
    slow = Reader(streams).pin()
    quick = Reader(streams, beside=slow).pin()
    slow.subscription.most = 3
    write(streams, "a", *range(1, 31))
    assert quick.read(20) == list(range(1, 31))
    assert slow.subscription.records <= 4
    assert slow.read(30) == list(range(1, 31))
    assert len(quick.reader._shards["a"].cursors) == 1


def test_a_trim_is_told_to_everyone_who_had_not_read_so_far(streams: FakeStreams) -> None:
    first = Reader(streams).pin()
    write(streams, "a", *range(1, 5))
    first.read()
    behind = Reader(streams, {**first.durable}, beside=first)
    write(streams, "a", *range(5, 12))
    streams.shards["a"].trim(8)
    behind.pin()
    assert 11 in first.read()
    assert 11 in behind.read()
    assert first.lost()
    assert behind.lost()


def test_what_vanished_from_the_listing_is_not_asked_for_any_more(streams: FakeStreams) -> None:
    streams.shard("b")
    reader = Reader(streams).pin()
    reader.read(1)
    del streams.shards["b"]
    reader.clock.time += 1
    reader.refresh()
    assert list(reader.reader._shards) == ["a"]
    assert reader.lost()


# ---------------------------------------------------------------------------------------------------- how often it asks


def test_a_shard_is_asked_five_times_a_second_at_most_however_much_it_has(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    write(streams, "a", *range(1, 2000))
    reader.reader._keys_only = False  # a page of two is not the tip here: the next one is due at once
    reader.wait(1.0)
    assert asked_in(reader, 20) == pytest.approx(100, abs=1)
    reader.subscription.urgent = True
    calls = []
    for _ in range(10):
        reader.subscription.hurry()
        calls.append(asked_in(reader, 1))
    assert sum(calls) <= 55, "five a second and the burst once"


def test_bytes_count_as_calls_do(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    streams.size = 1_000_000
    write(streams, "a", *range(1, 2000))
    reader.reader._keys_only = False
    reader.wait(5.0)
    assert asked_in(reader, 20) == pytest.approx(40, abs=1), "2 MB a second"


def test_a_quiet_shard_is_looked_at_less_often_and_within_a_quarter_of_a_second(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    reader.wait(5)
    assert asked_in(reader, 20) == pytest.approx(80, abs=1)
    write(streams, "a", 1)
    reader.wait(0.26)
    assert numbers(reader.subscription.take()) == [1]


def test_one_empty_page_before_a_record_is_not_the_tip(streams: FakeStreams) -> None:
    reader, gauge = Reader(streams).pin(), Gauge()

    def look() -> list[int]:
        reader.wait(0.05)
        reads = reader.subscription.take()
        gauge.see(reads)
        gauge.level(reader.feed, reader.clock.time)
        return numbers(reads)

    for _ in range(40):
        look()
    written = reader.clock.time
    behind = gauge.behind(1000.0, written)
    assert behind is not None
    assert behind < 0.51, "two looks at a quiet shard"
    write(streams, "a", 1)
    streams.shards["a"].empty_pages = 1
    looks = streams.pages
    while not look():
        assert gauge.since is not None
        assert gauge.since <= written, "the record of an earlier write is still to come"
    assert streams.pages == looks + 2, "the empty page was looked at"


def test_a_shard_that_is_over_was_read_to_its_end_with_one_empty_page(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    streams.shards["a"].closed = True
    (read,) = reader.take()
    assert read.closed
    assert read.tip == 5.0, "the time of that page"


def test_many_shards_share_what_a_stream_is_asked_in_a_second(streams: FakeStreams) -> None:
    for number in range(99):
        streams.shard(f"s{number}")
    reader = Reader(streams, looks=Looks(total=50.0)).pin()
    reader.wait(5)
    assert asked_in(reader, 10) == pytest.approx(500, rel=0.05)


def test_in_a_hurry_a_record_is_seen_at_once(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    reader.wait(5)
    write(streams, "a", 1)
    reader.subscription.hurry()
    reader.wait(0.01)
    assert numbers(reader.subscription.take()) == [1]


def test_refusals_are_answered_with_longer_and_longer_pauses(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    write(streams, "a", 1)
    streams.failures = [
        errors.Throttled("slow", operation="dynamodb-streams.GetRecords", aws_code="LimitExceededException")
        for _ in range(10_000)
    ]
    assert asked_in(reader, 60) < 60
    failing = reader.subscription.failing
    assert failing is not None
    streams.failures = []
    reader.wait(10)
    assert reader.subscription.failing is None
    assert numbers(reader.subscription.take()) == [1]


def test_one_listing_serves_all_who_asked_before_it_began(streams: FakeStreams) -> None:
    first = Reader(streams).pin()
    second = Reader(streams, beside=first).pin()
    before = streams.listings
    at = first.clock.time + 1
    first.clock.time = at + 1
    for reader in (first, second):
        reader.reader.shards(since=at)
    assert streams.listings == before + 1
    second.reader.shards(since=at + 1.5)
    assert streams.listings == before + 2


def test_an_allowance_lets_a_burst_pass_and_then_its_rate() -> None:
    clock = VirtualClock()
    allowance = Allowance(5.0, 10.0, clock.monotonic)
    moments: deque[float] = deque()
    for _ in range(60):
        allowance.wait(clock.sleep)
        moments.append(clock.time)
    assert moments[9] == moments[0]
    assert moments[-1] - moments[0] == pytest.approx(10.0)


# ------------------------------------------------------------------------------------------------------ nothing is lost


class Following(Reader):
    """A reader that knows what it must have seen."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.seen: set[int] = set()
        self.order: list[tuple[str, int]] = []
        self.ever_lost = False

    def step(self, *, dies: bool) -> None:
        reads = self.subscription.take()
        active = set(self.feed.active)
        for read in reads:
            if read.records:
                assert self.feed.parents.get(read.shard) not in active, "a child is read behind its parent's end"
        if dies:
            return
        self.seen |= set(numbers(reads))
        self.feed.advance(reads)
        if any(read.closed or read.trimmed for read in reads):
            self.refresh()
        self.ever_lost = self.ever_lost or self.feed.lost
        self.begin()
        self.save()


STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 9), st.integers(1, 5)),
    st.tuples(st.just("repeat"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("split"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("empty"), st.integers(0, 9), st.integers(1, 3)),
    st.tuples(st.just("throttle"), st.just(0), st.integers(1, 3)),
    st.tuples(st.just("trim"), st.integers(0, 9), st.integers(1, 4)),
    st.tuples(st.just("vanish"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("wait"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("take"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("die"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("relist"), st.integers(0, 1), st.just(0)),
)


class Story:
    """Two channels of one process, or of two, on a stream that does what streams do."""

    def __init__(self, *, most: int) -> None:
        self.streams = FakeStreams()
        for shard in ("a", "b"):
            self.streams.shard(shard)
        self.most = most
        self.written: list[int] = []
        first = Following(self.streams)
        first.pin()
        second = Following(self.streams, beside=first)
        second.pin()
        self.readers = [first, second]
        for reader in self.readers:
            reader.subscription.most = most

    def do(self, what: str, which: int, count: int) -> None:
        names = sorted(self.streams.shards)
        getattr(self, what)(self.streams.shards[names[which % len(names)]], which, count)

    def write(self, shard: FakeShard, _which: int, count: int) -> None:
        for _ in range(0 if shard.closed else count):
            self.written.append(len(self.written) + 1)
            write(self.streams, shard.id, self.written[-1])

    def repeat(self, shard: FakeShard, _which: int, _count: int) -> None:
        if self.written and not shard.closed:
            write(self.streams, shard.id, self.written[-1])

    def split(self, shard: FakeShard, _which: int, _count: int) -> None:
        if not shard.closed and len(self.streams.shards) < 8:
            shard.closed = True
            for child in ("0", "1"):
                self.streams.shard(f"{shard.id}{child}", parent=shard.id)

    def empty(self, shard: FakeShard, _which: int, count: int) -> None:
        shard.empty_pages = count

    def throttle(self, _shard: FakeShard, _which: int, count: int) -> None:
        refusal = errors.Throttled("x", operation="dynamodb-streams.GetRecords", aws_code="x")
        self.streams.failures = [refusal] * count

    def trim(self, shard: FakeShard, _which: int, count: int) -> None:
        # Who stands at the beginning for a day without reading is told of it by the clock, not by the stream.
        places = {reader.durable.get(f"{ARN}|{shard.id}") for reader in self.readers}
        if not places & {None, "TRIM_HORIZON"}:
            shard.trim(count)

    def vanish(self, shard: FakeShard, _which: int, _count: int) -> None:
        if shard.closed and not shard.records:
            del self.streams.shards[shard.id]

    def wait(self, _shard: FakeShard, which: int, _count: int) -> None:
        self.readers[0].wait(0.1 + which)

    def take(self, _shard: FakeShard, which: int, _count: int) -> None:
        self.readers[which % 2].step(dies=False)

    def relist(self, _shard: FakeShard, which: int, _count: int) -> None:
        self.readers[which % 2].clock.time += 0.01
        self.readers[which % 2].refresh()

    def die(self, _shard: FakeShard, which: int, _count: int) -> None:
        """What was taken and not saved is forgotten; the next process begins where the journal says."""
        which %= 2
        old = self.readers[which]
        old.step(dies=True)
        old.subscription.close()
        again = Following(self.streams, dict(old.durable), beside=self.readers[1 - which])
        again.seen, again.ever_lost = old.seen, old.ever_lost
        again.pin()
        again.subscription.most = self.most
        self.readers[which] = again

    def end(self) -> None:
        self.streams.failures = []
        for _ in range(40):
            self.readers[0].wait(6.0)
            for reader in self.readers:
                reader.clock.time += 0.01
                reader.refresh()
                reader.step(dies=False)


@settings(max_examples=80, deadline=None)
@given(st.lists(STEPS, max_size=60), st.sampled_from([2, 10_000]))
def test_whatever_the_stream_does_every_record_is_seen_or_the_loss_is_told(
    steps: list[tuple[str, int, int]], most: int
) -> None:
    story = Story(most=most)
    for step in steps:
        story.do(*step)
    story.end()
    for reader in story.readers:
        missing = set(story.written) - reader.seen
        assert not missing or reader.ever_lost, missing
        over = {f"{ARN}|{shard.id}" for shard in story.streams.shards.values() if shard.closed}
        assert all(reader.durable[name] == END for name in over), "what is over is not asked for again"


def test_numbers_are_compared_as_integers(streams: FakeStreams) -> None:
    streams.shards["a"].page = 100
    first = Reader(streams).pin()
    write(streams, "a", *range(1, 4))  # 8, 9, 10
    early = {**first.durable, f"{ARN}|a": "AT:9"}
    second = Reader(streams, early, beside=first).pin()
    order = random.Random(1).sample([first, second], 2)
    assert {reader: numbers(reader.take()) for reader in order} == {first: [1, 2, 3], second: [2, 3]}
