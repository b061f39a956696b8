"""When positions reach the journal: seldom, in bounded numbers, and in minutes at the latest."""

from __future__ import annotations

from typing import Any

import pytest

from portability.aws.streams import Record
from portability.stores.base import MEASURED, Measured
from portability.stores.dynamodb.feed import Feed
from portability.stores.dynamodb.savings import Savings
from portability.stores.dynamodb.shard import Read
from portability.stores.dynamodb.wiring import Pace
from tests.stores.fake_streams import ARN, FakeStreams
from tests.stores.following import VirtualClock, key
from tests.stores.memory_ledger import MemoryLedger

SHARDS = 256


class Kept:
    """A feed of many shards and what is saved of it."""

    def __init__(self) -> None:
        self.clock, self.ledger = VirtualClock(), MemoryLedger()
        streams: Any = FakeStreams()
        self.feed = Feed(streams, ARN, lambda: 1000.0, lambda: None)
        for number in range(SHARDS):
            streams.shard(f"s{number:03}")
        self.feed.pin(fresh=True)
        self.savings = Savings(self.ledger, "ch", Pace(), self.clock.monotonic, self.measure)
        self.savings.now(self.feed, stale=True)
        self.ledger.saved.clear()
        self.number = 0

    def measure(self) -> Measured:
        return Measured(self.clock.time, 0.5, 3, 86000.0)

    def live(self, seconds: float, *, mine: bool) -> None:
        """Every shard shows a record every second."""
        for _ in range(int(seconds * 10)):
            self.number += 1
            records = [Record(key(1), str(self.number), 1000, "MODIFY")] if mine else []
            if self.number % 10 == 0:
                self.feed.advance(Read(f"s{shard:03}", list(records), str(self.number)) for shard in range(SHARDS))
            self.savings.if_due(self.feed)
            self.clock.time += 0.1

    @property
    def rows(self) -> int:
        return sum(len(saved.keys() - {MEASURED}) for saved in self.ledger.saved)


def test_places_where_nothing_was_the_tenants_are_saved_in_minutes() -> None:
    kept = Kept()
    kept.live(110, mine=False)
    assert kept.rows == 0
    kept.live(30, mine=False)
    assert kept.rows == SHARDS
    kept.live(600, mine=False)
    assert kept.rows <= SHARDS * (740 / 120 + 1)


def test_the_tenants_places_are_saved_soon_and_no_more_rows_a_second_than_there_may_be() -> None:
    kept = Kept()
    kept.live(14, mine=True)
    assert kept.rows == SHARDS
    kept.live(300, mine=True)
    assert kept.rows / 314 == pytest.approx(20, rel=0.1)
    few = Kept()
    few.savings._rows = 1
    few.live(1.2, mine=True)
    assert few.rows == SHARDS, "within a second or so where few are saved"


def test_what_a_channel_measured_of_itself_is_kept_every_few_seconds_also_where_nothing_moves() -> None:
    kept = Kept()
    kept.live(60, mine=False)
    assert [set(saved) for saved in kept.ledger.saved] == [{MEASURED}] * len(kept.ledger.saved)
    assert 10 <= len(kept.ledger.saved) <= 12
    last = Measured.of(kept.ledger.positions["ch"][MEASURED])
    assert (last.lag_seconds, last.backlog, last.retention_left_seconds) == (0.5, 3, 86000.0)
