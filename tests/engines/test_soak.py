"""The soak over processes: bounded passes, a recorded end, and a way back that stays current between them."""

from __future__ import annotations

import pytest

from tests.support.world import World


@pytest.mark.parametrize("world", ("reference",), indirect=True)
@pytest.mark.world_estate({"soak": "1h"})
def test_a_tick_is_one_bounded_pass_and_the_way_back_carries_what_was_written_between_ticks(world: World) -> None:
    run = world.run("migrate", "tenant-42", "--to", world.upper, "--yes", "-o", "json").expect(0).json["run_id"]
    for _ in range(2):
        with world.writers(1) as ledgers:
            pass
        ticked = world.run("run", "tick", run, "--for", "1s", "-o", "json").expect(0).json
        assert (ticked["state"], ticked["serving"]) == ("soaking", "target")
        old_side = {"Product": "Product-pooled", "Order": "Order-pooled"}
        assert world.tenant_items(tables=old_side) == world.tenant_items()
        assert world.verdict(ledgers).ok
    facts = [entry["fact"] for entry in world.journal(run)]
    assert facts.count("parked") == 0
