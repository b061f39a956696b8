"""A stream that was turned off and on, while the service does not answer: the next one is pinned, or none is taken."""

from __future__ import annotations

import random
import time

import pytest

from tests.crash.elsewhere.streams import Schedule
from tests.stores.fake_service import Moods
from tests.stores.world import World


@pytest.fixture
def world(aws_env: None, prefix: str) -> World:
    world = World(prefix)
    world.make(world.pool)
    world.make(world.silo)
    return world


def test_a_stream_that_cannot_be_pinned_yet_is_pinned_later_and_no_change_is_lost(world: World) -> None:
    schedule = Schedule(world, random.Random(7))
    try:
        schedule.begin()
        schedule.service.moods = Moods(down=1.0)
        schedule.another_stream()
        time.sleep(0.4)  # several turns of the channel, each of which meets a service that is down
        for _ in range(5):
            schedule.write()
        schedule.end()
    finally:
        schedule.close()
