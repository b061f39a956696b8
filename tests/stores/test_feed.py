"""The shards of a stream: splits, trims, empty pages, delays; on a stream made for the purpose."""

import pytest

from portability import errors
from portability.stores.dynamodb import feed as feeding
from tests.stores.fake_streams import ARN, FakeStreams
from tests.stores.following import Reader, key


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
    reader.clock.time += 1
    reader.refresh()
    assert not reader.lost()
    streams.shard("b")
    reader.clock.time += 1
    reader.refresh()
    del streams.shards["b"]
    reader.clock.time += 1
    reader.refresh()
    assert reader.lost()
    assert reader.durable == {f"{ARN}|": "PINNED"}


def test_a_shard_that_gives_no_answer_is_asked_again_and_keeps_no_other_from_being_read(streams: FakeStreams) -> None:
    streams.shard("b")
    reader = Reader(streams).pin()
    write(streams, "a", 1)
    write(streams, "b", 2)
    streams.failures = [errors.Throttled("x", operation="dynamodb-streams.GetRecords", aws_code="x")]
    reader.reader.pump()
    assert sum(len(read.records) for read in reader.subscription.take()) == 1
    failing = reader.subscription.failing
    assert failing is not None
    assert isinstance(failing[1], errors.Throttled)
    assert len(reader.read()) == 1
    assert reader.subscription.failing is None


def test_what_no_repeat_mends_is_raised_where_the_records_are_taken(streams: FakeStreams) -> None:
    reader = Reader(streams).pin()
    streams.failures = [errors.Unauthorised("x", next="portability doctor")]
    with pytest.raises(errors.Unauthorised):
        reader.take()


def test_many_shards_are_read_to_their_end(streams: FakeStreams) -> None:
    for number in range(30):
        streams.shard(f"s{number:02}")
    reader = Reader(streams).pin()
    for number in range(30):
        write(streams, f"s{number:02}", number)
    assert sorted(reader.read()) == list(range(30))


def test_a_delayed_shard_keeps_the_tip_out_of_sight(streams: FakeStreams) -> None:
    reader = Reader(streams)
    reader.keys_only = False
    reader.pin()
    write(streams, "a", 1, 2, 3)
    streams.shards["a"].records[2] = streams.shards["a"].records[2].__class__(key(3), "10", 900, "MODIFY")
    tips = []
    for _ in range(4):
        reader.reader.pump()
        tips += [read.tip is not None for read in reader.subscription.take()]
        reader.clock.time += 1
    assert tips == [True, False, False, True], "young for an image, old for one, and twice nothing behind it"
