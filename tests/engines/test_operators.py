"""Two operators at once: two processes, one tenant, one winner."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.support.wire import Wire, watched
from tests.support.world import World

ROUNDS, RESUMED = 20, 5
OPERATORS = ("first", "second")
PARKED, HELD = 7, 5


@pytest.mark.parametrize("world", ("reference",), indirect=True)
@pytest.mark.timeout(600)
def test_of_two_operators_released_by_a_barrier_one_wins_and_the_other_writes_nothing(world: World) -> None:
    tenants = [f"tenant-{101 + number}" for number in range(ROUNDS)]
    seed = ("sandbox", "seed", "--shape", "reference", "--tenants", str(6 + ROUNDS), "--items-per-tenant", "5")
    world.run(*seed).expect(0)
    with watched(world) as wire:
        for tenant in tenants:
            argv = ("migrate", tenant, "--to", world.upper, "--yes", "--until", "preflight")
            ends = world.race(*argv, operators=OPERATORS)
            assert sorted(ends.values()) == [HELD, PARKED]
            assert {entry["by"].partition("@")[0] for entry in entries(world, tenant)} == {winner(ends)}
            assert_lost_without_an_effect(wire, ends)
            wire.forget()
        assert len(world.rows("RUNS")) == ROUNDS

        contested = 0
        for tenant in tenants[:RESUMED]:
            ends = world.race("resume", tenant, "--until", "resources", operators=OPERATORS)
            assert sorted(ends.values()) in ([HELD, PARKED], [PARKED, PARKED])
            facts = Counter((entry["step"], entry["fact"]) for entry in entries(world, tenant))
            assert facts["identity", "started"] == facts["resources", "started"] == 1
            if HELD in ends.values():
                contested += 1
                assert_lost_without_an_effect(wire, ends)
            wire.forget()
    # A racer that the machine keeps waiting meets a run that is parked again and takes it, rightly; not every time.
    assert contested


def winner(ends: dict[str, int]) -> str:
    """Who came through."""
    (name,) = [name for name, code in ends.items() if code == PARKED]
    return name


def entries(world: World, tenant: str) -> list[dict[str, str]]:
    """The entries of the tenant's run as they stand in the journal."""
    return [json.loads(row["body"]) for row in world.rows(f"RUN#{world.active(tenant)}", "E#")]


def assert_lost_without_an_effect(wire: Wire, ends: dict[str, int]) -> None:
    """All that the loser sent, beyond reads, is the one transaction that was refused."""
    sent = {name: [call for call in wire.calls if call.by == name] for name in ends}
    assert all(sent.values())
    lost = [call.operation for name, calls in sent.items() if name != winner(ends) for call in calls if call.mutating]
    assert lost in ([], ["TransactWriteItems"])
