"""A stream is turned off and on while something does not answer: it is followed once it was pinned, and is whole."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

import pytest

from portability import errors
from tests.crash.elsewhere.streams import Schedule
from tests.stores.fake_service import Moods
from tests.stores.memory_ledger import MemoryLedger
from tests.stores.world import World


class Journal(MemoryLedger):
    """One that for a while takes no position of the second stream."""

    down = False

    def save_positions(self, channel: str, positions: Mapping[str, str]) -> None:
        if self.down and any("stream/2|" in name for name in positions):
            raise errors.Unavailable("down", operation="dynamodb.TransactWriteItems", aws_code="")
        super().save_positions(channel, positions)


@pytest.mark.parametrize("what", ("service", "journal"))
def test_a_stream_that_cannot_be_pinned_yet_is_pinned_later_and_no_change_is_lost(world: World, what: str) -> None:
    journal = Journal()
    schedule = Schedule(world, random.Random(7), journal)
    try:
        schedule.begin()
        schedule.service.moods, journal.down = Moods(down=float(what == "service")), what == "journal"
        schedule.another_stream()
        time.sleep(0.4)  # several turns of the channel, which compares meanwhile
        for _ in range(5):
            schedule.write()
        time.sleep(0.4)
        journal.down = False
        for _ in range(5):
            schedule.write()
        schedule.end()
    finally:
        schedule.close()
