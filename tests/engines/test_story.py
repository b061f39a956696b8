"""What an operator does, command by command, over real engines and for both example estates."""

from __future__ import annotations

import pytest

from tests.support.world import World

OBJECT = {
    "version", "run_id", "tenant", "from", "to", "state", "reason", "serving", "steps", "data", "channel", "verify",
    "cutover", "reversible_until", "next_steps",
}  # fmt: skip


def test_an_upgrade_completes_and_the_downgrade_brings_the_tenant_back(world: World) -> None:
    before = world.tenant_items()
    neighbours = world.neighbours()

    planned = world.run("plan", "tenant-42", "--to", world.upper, "-o", "json", "--detailed-exitcode").expect(2).json
    assert planned["mutating_calls"] == 0

    moved = world.run("migrate", "tenant-42", "--to", world.upper, "--yes", "-o", "json").expect(0).json
    assert set(moved) == OBJECT
    assert (moved["state"], moved["serving"]) == ("soaking", "target")
    assert moved["cutover"]["late_events"] == 0
    assert moved["cutover"]["pause_ms"] > 0
    assert world.tenant_items() == before

    again = world.run("migrate", "tenant-42", "--to", world.upper, "--yes", "-o", "json").expect(0)
    assert again.json["run_id"] == moved["run_id"]

    world.run("complete", moved["run_id"], "--confirm", "tenant-42", "-o", "json").expect(0)
    world.run("migrate", "tenant-42", "--to", world.upper, "--yes", "-o", "json").expect(0)
    assert world.tenant_items() == before

    back = world.run("migrate", "tenant-42", "--to", world.lower, "--yes", "-o", "json").expect(0).json
    assert (back["state"], back["serving"]) == ("soaking", "target")
    assert world.tenant_items() == before
    assert world.neighbours() == neighbours
    world.run("journal", "verify", back["run_id"]).expect(0)


def test_a_reverse_loses_nothing_and_a_cancel_leaves_the_estate_as_it_was(world: World) -> None:
    neighbours = world.neighbours()
    with world.writers(2) as ledgers:
        moved = world.run("migrate", "tenant-42", "--to", world.upper, "--yes", "-o", "json").expect(0).json
    assert world.verdict(ledgers).ok
    with world.writers(2) as more:
        back = world.run("reverse", moved["run_id"], "--yes", "-o", "json").expect(0).json
    assert (back["state"], back["serving"]) == ("reversed", "source")
    verdict = world.verdict([*ledgers, *more])
    assert verdict.ok, verdict.problems[:5]
    assert verdict.refused > 0

    world.run("cancel", moved["run_id"], "--yes", "-o", "json").expect(0)
    assert world.verdict([*ledgers, *more]).ok
    assert world.neighbours() == neighbours


def test_a_tier_change_within_the_pool_writes_no_data_and_no_identity(world: World) -> None:
    tenant, tier = world.within_pool
    before = world.tenant_items(tenant)

    moved = world.run("migrate", tenant, "--to", tier, "--yes", "-o", "json").expect(0).json

    skipped = {step["uses"] for step in moved["steps"] if step["status"] == "skipped"}
    assert {"port_identity", "provision_resources", "copy_data", "verify_data"} <= skipped
    assert world.tenant_items(tenant) == before


@pytest.mark.parametrize("world", ("reference",), indirect=True)
def test_a_tenant_moves_between_two_pools_of_one_tier(world: World) -> None:
    before = world.tenant_items()
    with world.writers(1) as ledgers:
        world.run("migrate", "tenant-42", "--to", "basic@pool-b", "--yes", "-o", "json").expect(0)
    assert world.verdict(ledgers).ok
    assert world.tenant_items(tables={"Product": "Product-pool-b", "Order": "Order-pool-b"}) == world.tenant_items()
    assert sum(before.values()) > 0
