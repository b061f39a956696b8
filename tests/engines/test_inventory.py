"""What a move leaves behind, resource by resource: nothing but what is named here, each with its reason."""

from __future__ import annotations

from typing import Any

from portability.sandbox.seed import find_shape
from tests.support.inventory import changes, everything
from tests.support.world import World

TENANT = "tenant-42"

SUBS = frozenset({"legacySub", "sub", "portabilityRun", "portabilityPriorSub", "portabilityPriorRun"})
"""A user made anew has a new `sub`: the application's mapping row says which it was, which it is, and by which run."""

FILLED_IN = {"custom:tenantId": TENANT, "custom:tenantTier": "basic"}
"""A user made anew has what the authorizer reads, also where it was missing before."""


def left_behind(world: World, before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs, the journal's own rows left out: it is where a run is told of."""
    journal = f"item {find_shape(world.shape).journal} "
    return {name: pair for name, pair in changes(before, after).items() if not name.startswith(journal)}


def test_a_move_taken_back_leaves_nothing_but_its_journal(world: World) -> None:
    before = everything(world.client)
    run = world.run("migrate", TENANT, "--to", world.upper, "--yes", "-o", "json").expect(0).json["run_id"]
    assert left_behind(world, before, everything(world.client))
    world.run("reverse", run, "--yes", "-o", "json").expect(0)
    world.run("cancel", run, "--yes", "-o", "json").expect(0)
    assert left_behind(world, before, everything(world.client)) == {}


def test_an_upgrade_and_a_downgrade_leave_nothing_but_archives_and_users_made_anew(world: World) -> None:
    before = everything(world.client, beside=SUBS)
    runs = [moved(world, world.upper), moved(world, world.lower)]
    left = left_behind(world, before, everything(world.client, beside=SUBS))

    archives = []
    for name, (was, now) in left.items():
        match name.split():
            case ["object", _, key, _] if was is None:
                archives.append(key.rpartition("/")[2])
            case ["sub", pool, user] if user in before[f"group {pool} {TENANT}"]:
                assert world.shape == "reference", "users stay where they are"
            case ["user", pool, user] if user in before[f"group {pool} {TENANT}"]:
                assert now == {**was, "attributes": {**was["attributes"], **FILLED_IN}}
            case _:
                raise AssertionError(name, was, now)
    assert archives == [f"{run}.jsonl.gz" for run in runs]


def moved(world: World, to: str) -> str:
    """Move the tenant and complete the run; its id."""
    run: str = world.run("migrate", TENANT, "--to", to, "--yes", "-o", "json").expect(0).json["run_id"]
    world.run("complete", run, "--confirm", TENANT, "-o", "json").expect(0)
    return run
