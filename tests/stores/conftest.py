"""What tests of the DynamoDB store begin with."""

from __future__ import annotations

import pytest

from tests.stores.world import World


@pytest.fixture
def world(aws_env: None, prefix: str) -> World:
    """A pool and a silo, with nothing in them."""
    world = World(prefix)
    world.make(world.pool)
    world.make(world.silo)
    return world
