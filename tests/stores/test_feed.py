"""The shards of a stream: splits, trims, empty pages, delays; on a stream made for the purpose."""

from typing import Any

import pytest

from portability import errors
from portability.stores.dynamodb import feed as feeding
from portability.stores.dynamodb.feed import Feed
from tests.stores.fake_streams import ARN, FakeStreams


def key(number: int) -> dict[str, Any]:
    return {"pk": {"S": f"t-{number}"}}


class Reader:
    """A feed that is read and saved as a channel does it; `resume` is the next process."""

    def __init__(self, streams: FakeStreams, durable: dict[str, str] | None = None) -> None:
        self.streams = streams
        self.durable = {} if durable is None else durable
        self.pauses: list[Any] = []
        self.feed = Feed(
            streams,  # type: ignore[arg-type]
            ARN,
            now=lambda: 1000.0,
            monotonic=lambda: 5.0,
            pause=self._pause,
            positions=dict(self.durable),
        )
        self.on_pause: Any = None

    def _pause(self) -> None:
        self.pauses.append(1)
        if self.on_pause:
            self.on_pause()

    def pin(self, *, fresh: bool = False) -> "Reader":
        self.feed.pin(fresh=fresh)
        self.feed.refresh()
        self.save()
        return self

    def lost(self) -> bool:
        return self.feed.lost

    def save(self) -> None:
        for name, place in self.feed.dirty.items():
            if place:
                self.durable[name] = place
            else:
                self.durable.pop(name, None)
        self.feed.saved(dict(self.feed.dirty))

    def read(self, turns: int = 10) -> list[int]:
        """Numbers of the keys read in so many turns."""
        seen = []
        for _ in range(turns):
            pages = self.feed.read()
            seen += [int(record.keys["pk"]["S"][2:]) for page in pages for record in page.records]
            self.feed.advance(pages)
            if any(page.closed for page in pages):
                self.feed.refresh()
            self.save()
        return seen

    def resume(self) -> "Reader":
        return Reader(self.streams, dict(self.durable)).pin()


@pytest.fixture
def streams() -> FakeStreams:
    streams = FakeStreams()
    streams.shard("a")
    return streams


def write(streams: FakeStreams, shard: str, *numbers: int) -> None:
    for number in numbers:
        streams.write(shard, key(number))


def test_a_quiet_shard_is_read_through_by_the_pin_and_what_follows_is_read(streams: FakeStreams) -> None:
    write(streams, "a", 1, 2, 3)
    reader = Reader(streams).pin()
    assert reader.durable == {f"{ARN}|a": "AFTER:10", f"{ARN}|": "PINNED"}
    write(streams, "a", 4, 5, 6)
    assert reader.read() == [4, 5, 6]
    assert reader.durable[f"{ARN}|a"] == "AFTER:13"


def test_a_shard_without_any_record_is_read_from_its_beginning(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    assert reader.durable[f"{ARN}|a"] == "TRIM_HORIZON"
    write(streams, "a", 1)
    assert reader.resume().read() == [1]


def test_an_empty_page_before_the_end_makes_the_pin_early_and_never_late(streams: FakeStreams) -> None:
    write(streams, "a", 1, 2, 3)
    streams.shards["a"].empty_pages = 2
    reader = Reader(streams).pin()
    write(streams, "a", 4)
    assert 4 in reader.read()


def test_a_busy_shard_gives_its_place_with_its_first_record(streams: FakeStreams) -> None:
    write(streams, "a", *range(1, 2 * feeding.BACKLOG + 5))
    reader = Reader(streams)
    reader.on_pause = lambda: write(streams, "a", 100 + len(reader.pauses))
    reader.pin()
    assert reader.durable[f"{ARN}|a"].startswith("AT:")
    assert 101 in reader.read()
    assert not set(range(1, 20)) & set(reader.read())


def test_a_long_backlog_that_falls_quiet_is_read_from_where_the_pin_came_to(streams: FakeStreams) -> None:
    write(streams, "a", *range(1, 2 * feeding.BACKLOG + 5))
    reader = Reader(streams).pin()
    write(streams, "a", 99)
    assert reader.read(20) == [21, 22, 23, 24, 99]


def test_children_of_a_split_are_read_from_their_beginning_in_any_order(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    write(streams, "a", 1, 2, 3)
    streams.shards["a"].closed = True
    for child in ("b", "c"):
        streams.shard(child, parent="a")
        write(streams, child, 10 if child == "b" else 20, 11 if child == "b" else 21)
    assert sorted(reader.read()) == [1, 2, 3, 10, 11, 20, 21]
    assert reader.durable[f"{ARN}|a"] == "END"
    write(streams, "c", 22)
    assert reader.resume().read() == [22]


def test_a_child_born_while_nobody_read_is_found_on_resume(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    write(streams, "a", 1)
    streams.shards["a"].closed = True
    streams.shard("b", parent="a")
    write(streams, "b", 2)
    assert sorted(reader.resume().read()) == [1, 2]


def test_shards_closed_before_the_pin_are_not_read(streams: FakeStreams) -> None:
    write(streams, "a", 1, 2)
    streams.shards["a"].closed = True
    streams.shard("b", parent="a")
    reader = Reader(streams).pin()
    write(streams, "b", 3)
    assert reader.read() == [3]
    assert reader.resume().read() == []


def test_a_trimmed_place_is_lost_and_read_from_what_is_left(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    write(streams, "a", 1, 2)
    assert reader.read() == [1, 2]
    write(streams, "a", 3, 4, 5)
    streams.shards["a"].records = streams.shards["a"].records[3:]
    later = reader.resume()
    assert later.read() == [4, 5]
    assert later.feed.lost


def test_a_shard_that_vanished_unread_is_lost_and_one_that_was_read_is_not(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    write(streams, "a", 1)
    streams.shards["a"].closed = True
    assert reader.read() == [1]
    del streams.shards["a"]
    reader.feed.refresh()
    assert not reader.lost()
    streams.shard("b")
    reader.feed.refresh()
    reader.save()
    del streams.shards["b"]
    reader.feed.refresh()
    reader.save()
    assert reader.lost()
    assert reader.durable == {f"{ARN}|": "PINNED"}


def test_a_failure_in_the_middle_of_a_turn_reads_every_page_again(streams: FakeStreams) -> None:
    streams.shard("b")
    reader = Reader(streams).pin()
    write(streams, "a", 1)
    write(streams, "b", 2)
    throttled = errors.Throttled("x", operation="dynamodb-streams.GetRecords", aws_code="LimitExceededException")
    reader.feed.read()  # pages that nobody dealt with
    streams.failures = [throttled]
    with pytest.raises(errors.Throttled):
        reader.feed.read()
    reader.feed.rewind()
    assert sorted(reader.read()) == [1, 2]


def test_many_shards_are_read_side_by_side_and_a_failure_of_one_reads_all_again(streams: FakeStreams) -> None:
    for number in range(30):
        streams.shard(f"s{number:02}")
    reader = Reader(streams).pin()
    for number in range(30):
        write(streams, f"s{number:02}", number)
    streams.failures = [errors.Throttled("x", operation="dynamodb-streams.GetRecords", aws_code="x")]
    with pytest.raises(errors.Throttled):
        reader.feed.read()
    reader.feed.rewind()
    assert sorted(reader.read()) == list(range(30))


def test_a_delayed_shard_keeps_the_tip_out_of_sight(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    reader.feed.keys_only = False
    write(streams, "a", 1, 2, 3)
    page = reader.feed.read()[0]
    assert page.at_tip  # as young as this it is taken for the tip
    streams.shards["a"].records[2] = streams.shards["a"].records[2].__class__(key(3), "10", 900, "MODIFY")
    assert not reader.feed.read()[0].at_tip
    assert reader.feed.read()[0].at_tip, "nothing was behind it"
