"""The campaign: runs killed at random moments and resumed while the tenant's application writes. Nothing is lost.

`make ledger RUNS=25` for the whole of it; the suite runs a sample.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from portability.sandbox import ledger as ledger_file
from tests.support.world import World

WRITERS = 4
LONGEST = 12.0  # seconds into a run that a kill may come
AGAIN, SAID_AGAIN = {5, 7}, 3
"""On a busy machine a lease runs out, a channel falls behind: the run stops safely, and the command is repeated."""


IN_ONE_WORLD = 4
"""Runs of one estate. DynamoDB Local's writes take the longer, the more records the streams of its database hold."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "part" in metafunc.fixturenames:
        runs = metafunc.config.getoption("runs")
        parts = [range(at, min(at + IN_ONE_WORLD, runs)) for at in range(0, runs, IN_ONE_WORLD)]
        metafunc.parametrize("part", parts, ids=lambda part: f"runs{part.start}to{part.stop - 1}")


@pytest.mark.world_items(1200)
@pytest.mark.timeout(1800)
def test_a_run_killed_at_random_moments_loses_nothing(world: World, rng: random.Random, part: range) -> None:
    ledgers: list[Path] = []
    neighbours = world.neighbours()
    for number in part:
        tier = world.upper if number % 2 == 0 else world.lower
        with world.writers(WRITERS) as writing:
            ledgers += writing
            run = _moved_with_kills(world, tier, rng, kills=rng.choice([1, 1, 2]))
        verdict = world.verdict(ledgers)
        assert verdict.ok, (number, run, verdict.problems[:5])
        assert verdict.acknowledged > 0
        world.run("journal", "verify", run).expect(0)
        world.run("complete", run, "--confirm", "tenant-42", "-o", "json").expect(0)
        assert world.verdict(ledgers).ok, (number, run)
        assert world.neighbours() == neighbours, (number, run)
    assert world.verdict(ledgers).refused > 0


def test_every_writer_is_acknowledged_inside_every_step(world: World) -> None:
    with world.writers(2, rate=25) as ledgers:
        moved = world.run("migrate", "tenant-42", "--to", world.upper, "--yes", "-o", "json").expect(0).json
        time.sleep(0.5)
    entries = world.journal(moved["run_id"])
    lines = [list(ledger_file.read(path)) for path in ledgers]
    for step in ("copy", "catch-up", "verify", "cutover"):
        began = min(entry["at"] for entry in entries if entry["step"] == step and entry["fact"] == "started")
        ended = max(entry["at"] for entry in entries if entry["step"] == step and entry["fact"] == "done")
        for writer in lines:
            assert any(line.kind == "ack" and began <= line.wall <= ended for line in writer), step
    assert sum(line.kind == "refused" for writer in lines for line in writer) > 0
    deletes = [line.op == "Delete" for writer in lines for line in writer if line.kind == "ack"]
    assert sum(deletes) >= 0.2 * len(deletes)


def _moved_with_kills(world: World, tier: str, rng: random.Random, *, kills: int) -> str:
    argv = ["migrate", "tenant-42", "--to", tier, "--yes", "-o", "json"]
    for _ in range(kills):
        process = world.start(*argv)
        time.sleep(rng.uniform(1.0, LONGEST))
        world.kill(process)
    done = world.run(*argv)
    for _ in range(SAID_AGAIN):
        if done.exit not in AGAIN:
            break
        done = world.run(*argv)
    told = done.expect(0).json
    run: str = told["run_id"] or world.run("status", "tenant-42", "-o", "json").expect(0).json["run_id"]
    return run
