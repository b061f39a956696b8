"""Two operators at once: two processes, one tenant, one winner."""

from __future__ import annotations

import os

import pytest

from tests.support.world import World, wait_for

ROUNDS = 20
PARKED, HELD = 7, 5


@pytest.mark.parametrize("world", ("reference",), indirect=True)
@pytest.mark.timeout(600)
def test_of_two_operators_released_by_a_barrier_one_wins_and_the_other_writes_nothing(world: World) -> None:
    for round_ in range(ROUNDS):
        gate = world.folder / f"gate-{round_}"
        os.mkfifo(gate)
        argv = ("migrate", "tenant-42", "--to", world.upper, "--yes", "--until", "channel")
        racers = [world.race(gate, *argv) for _ in range(2)]
        wait_for(lambda at=gate: len(list(at.parent.glob(f"{at.name}.*"))) == 2)
        with gate.open("wb") as barrier:  # opens when a racer reads
            barrier.write(b"go")
            barrier.flush()
            ends = sorted(racer.wait(60) for racer in racers)
        assert ends == [HELD, PARKED]
        runs = world.run("run", "list", "-o", "json").expect(0).json["runs"]
        assert len(runs) == round_ + 1
        by = {entry["by"] for entry in world.journal(runs[0]["run_id"])}
        assert len(by) == 1
        world.run("cancel", "tenant-42", "--yes", "-o", "json").expect(0)
