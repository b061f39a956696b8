"""The write pause: cutovers and reversals in turn, under an application that writes behind the `epoch` fence."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from portability.sandbox import ledger
from tests.benchmarks.results import Part, Row, percentile
from tests.benchmarks.sizes import Sizes
from tests.cli import bench
from tests.support import engines
from tests.support.dynamodb_local import ROOT
from tests.support.world import QUICK, World, make_world, merge

TENANT = "tenant-42"
WAITS = {
    "directory": {"cache": "200ms"},
    "fence": {"tripwire": "100ms"},
    "soak": "1h",
    "tiers": {"premium": {"identity": "pool"}},
}
"""What stands before and after a pause, shortened; the pause itself is as long as it is."""
WINDOW = "100ms"
IN_ONE_ESTATE = 2
"""Cutovers before a new estate is made: DynamoDB Local reads and writes the slower the more stream records a database
holds, until under this load a third cutover waits minutes for its lag to settle."""

WRITERS = 4  # processes that share the rate; each has its own clock and meets each pause


def measure(sizes: Sizes) -> dict[str, Part]:
    """Every pause that the writers met."""
    met: list[Met] = []
    with ExitStack() as stack:
        started = engines.own(Path(tempfile.mkdtemp(prefix="portability-engines-")))
        stack.callback(started.end)
        for turns in _parts(sizes.cutovers):
            with _world(started, sizes) as world:
                met.append(_measured(world, turns, sizes.rate))
    return {"pause": _part(met, sizes)}


@dataclass(frozen=True)
class Met:
    """What the writers of one estate met: pauses in ms, seconds each command took, writes acknowledged, seconds."""

    pauses: list[float]
    took: list[float]
    acknowledged: int
    seconds: float


@contextmanager
def _world(started: engines.Engines, sizes: Sizes) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="portability-pause-") as folder:
        world = make_world(
            "reference",
            Path(folder),
            dynamodb=started.dynamodb_local().endpoint,
            moto=started.moto().endpoint,
            items=sizes.tenant,
            overrides=merge(QUICK, WAITS),
        )
        try:
            _look_shortly(world)
            yield world
        finally:
            world.close()


def _measured(world: World, turns: Sequence[Sequence[str]], rate: float) -> Met:
    took: list[float] = []
    with world.writers(WRITERS, TENANT, rate=rate / WRITERS) as ledgers:
        for argv in turns:
            began = time.monotonic()
            bench.run(["--config", str(world.config), *argv, "-o", "json"], world.env, world.folder).expect(0)
            took.append(time.monotonic() - began)
        time.sleep(1)  # the writers meet the last one
    verdict = world.verdict(ledgers)
    if not verdict.ok:
        message = f"a write was lost: {verdict.problems[:3]}"
        raise RuntimeError(message)
    at = [line.mono for path in ledgers for line in ledger.read(path)]
    pauses = [each for met in verdict.pauses.values() for each in met]
    return Met(pauses, took, verdict.acknowledged, max(at) - min(at))


def _part(met: Sequence[Met], sizes: Sizes) -> Part:
    pauses = [each for one in met for each in one.pauses]
    took = [each for one in met for each in one.took]
    acknowledged = sum(one.acknowledged for one in met)
    rows = [
        Row("pause of the application's writes", "ms", [round(each, 1) for each in pauses]),
        Row("a whole cutover, its gates and verification", "s", [round(each, 2) for each in took]),
    ]
    said = (
        f"{len(took)} cutovers and reversals in {len(met)} estates, {len(pauses)} pauses met by {WRITERS} writers;"
        f" {acknowledged / sum(one.seconds for one in met):.0f} writes per second acknowledged on average,"
        f" {sizes.rate:g} wanted; {acknowledged:,} acknowledged, none lost."
    )
    figures = {"median_ms": statistics.median(pauses), "p99_ms": percentile(pauses, 0.99)}
    return Part(rows, figures, [said])


def _parts(cutovers: int) -> Iterator[list[list[str]]]:
    for begun in range(0, cutovers, IN_ONE_ESTATE):
        yield list(_turns(min(IN_ONE_ESTATE, cutovers - begun)))


def _turns(cutovers: int) -> Iterator[list[str]]:
    yield ["migrate", TENANT, "--to", "premium", "--yes"]
    for number in range(1, cutovers):
        yield ["reverse", TENANT, "--yes"] if number % 2 else ["run", "cutover", TENANT]


def _look_shortly(world: World) -> None:
    """Give the world the recipes that are shipped, with a shorter look at the lag."""
    estate: dict[str, Any] = yaml.safe_load(world.config.read_text(encoding="utf-8"))
    recipes = world.folder / "recipes"
    recipes.mkdir()
    for path in sorted((ROOT / "plans").glob("*-to-*.yaml")):
        recipe: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        for step in recipe["steps"]:
            if step["uses"] in {"catch_up", "cut_over"}:
                step["with"] = {**step.get("with", {}), "window": WINDOW}
        (recipes / path.name).write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    world.config.write_text(yaml.safe_dump(estate | {"recipes": str(recipes)}, sort_keys=False), encoding="utf-8")
