"""The cursors of one shard, and what happens to them while a page is on its way."""

from __future__ import annotations

from collections.abc import Sequence

from portability.aws.streams import Batch, Record
from portability.stores.dynamodb.allowance import Allowance
from portability.stores.dynamodb.shard import Cursor, Read, SharedShard


class Ear:
    """A listener that takes everything."""

    def __init__(self) -> None:
        self.full = False
        self.heard: list[int] = []
        self.trims = 0

    def sift(self, records: Sequence[Record]) -> list[Record]:
        return list(records)

    def hear(self, read: Read) -> None:
        self.heard += [int(record.sequence) for record in read.records]
        self.trims += read.trimmed


def shared() -> SharedShard:
    return SharedShard("a", Allowance(5, 5, lambda: 0.0), due=0.0)


def page(*numbers: int) -> Batch:
    records = [Record({"pk": {"S": "t"}}, str(number), 1000, "MODIFY") for number in numbers]
    return Batch(records, str(numbers[-1]) if numbers else None, closed=False)


def cursor_of(shard: SharedShard, ear: Ear) -> Cursor:
    (found,) = [each for each in shard.cursors if any(one.listener is ear for one in each.followers)]
    return found


def test_who_stands_before_a_gap_is_not_carried_over_it_by_one_who_reads_from_the_horizon() -> None:
    shard, horizon, behind = shared(), Ear(), Ear()
    shard.join(horizon, "TRIM_HORIZON")
    shard.join(behind, "AFTER:3")
    shard.deal(cursor_of(shard, horizon), page(9, 10), None)  # 4 to 8 were trimmed
    assert horizon.heard == [9, 10]
    assert behind.heard == []
    shard.trimmed(cursor_of(shard, behind))
    assert behind.trims == 1
    shard.deal(cursor_of(shard, behind), page(9, 10, 11), None)
    assert behind.heard == [9, 10, 11]
    assert horizon.heard == [9, 10, 11]
    assert len(shard.cursors) == 1


def test_a_page_that_was_on_its_way_when_its_last_follower_left_takes_nobody_along() -> None:
    shard, gone, stays = shared(), Ear(), Ear()
    shard.join(gone, "AFTER:3")
    reading = shard.next()
    assert reading is not None
    shard.leave(gone)
    shard.join(stays, "AFTER:4")
    shard.deal(reading, page(4, 5), None)
    shard.trimmed(reading)
    assert gone.heard == []
    shard.deal(cursor_of(shard, stays), page(5, 6), None)
    assert stays.heard == [5, 6]


def test_one_who_joins_while_a_page_is_on_its_way_gets_what_is_new_to_it() -> None:
    shard, first, second = shared(), Ear(), Ear()
    shard.join(first, "AFTER:3")
    reading = shard.next()
    assert reading is not None
    shard.join(second, "AFTER:4")
    shard.deal(reading, page(4, 5), None)
    assert (first.heard, second.heard) == ([4, 5], [5])
    assert len(shard.cursors) == 1
