"""`--region` says where journal and directory are: of every step, the guardian and every later verb."""

from __future__ import annotations

import pytest

from tests.support.world import REGION, World

TENANT = "tenant-42"
HERE = {"placements": {"default": {"region": REGION}}}
HOME = "eu-west-1"
"""The estate's home, where nothing is."""


@pytest.mark.parametrize("world", ("reference",), indirect=True)
@pytest.mark.world_estate(
    {"accounts": {"regions": [HOME, REGION]}, "tiers": dict.fromkeys(("basic", "standard", "premium"), HERE)}
)
def test_a_tenant_is_moved_and_taken_back_where_journal_and_directory_are_away_from_home(world: World) -> None:
    before = world.tenant_items()
    world.run("plan", TENANT, "--to", world.upper, "-o", "json").expect(3)
    moved = world.run("--region", REGION, "migrate", TENANT, "--to", world.upper, "--yes", "-o", "json").expect(0).json
    assert (moved["state"], moved["serving"]) == ("soaking", "target")
    world.run("status", TENANT, "-o", "json").expect(3)
    back = world.run("--region", REGION, "reverse", TENANT, "--yes", "-o", "json").expect(0).json
    assert (back["state"], back["serving"]) == ("reversed", "source")
    world.run("--region", REGION, "cancel", TENANT, "--yes", "-o", "json").expect(0)
    assert world.tenant_items() == before
