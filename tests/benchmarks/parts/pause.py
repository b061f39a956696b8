"""The write pause: cutovers and reversals in turn, under an application that writes behind the `epoch` fence."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
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
WRITERS = 4  # processes that share the rate; each has its own clock and meets each pause


def measure(sizes: Sizes) -> dict[str, Part]:
    """Every pause that the writer met."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portability-pause-")))
        started = engines.own(Path(tempfile.mkdtemp(prefix="portability-engines-")))
        stack.callback(started.end)
        world = make_world(
            "reference",
            folder,
            dynamodb=started.dynamodb_local().endpoint,
            moto=started.moto().endpoint,
            items=sizes.tenant,
            overrides=merge(QUICK, WAITS),
        )
        stack.callback(world.close)
        _look_shortly(world)
        return {"pause": _measured(world, sizes)}


def _measured(world: World, sizes: Sizes) -> Part:
    took: list[float] = []
    with world.writers(WRITERS, TENANT, rate=sizes.rate / WRITERS) as ledgers:
        for argv in _turns(sizes.cutovers):
            began = time.monotonic()
            bench.run(["--config", str(world.config), *argv, "-o", "json"], world.env, world.folder).expect(0)
            took.append(time.monotonic() - began)
        time.sleep(1)  # the writers meet the last one
    verdict = world.verdict(ledgers)
    if not verdict.ok:
        message = f"a write was lost: {verdict.problems[:3]}"
        raise RuntimeError(message)
    pauses = [each for met in verdict.pauses.values() for each in met]
    at = [line.mono for path in ledgers for line in ledger.read(path)]
    rate = verdict.acknowledged / (max(at) - min(at))
    rows = [
        Row("pause of the application's writes", "ms", [round(each, 1) for each in pauses]),
        Row("a whole cutover, its gates and verification", "s", [round(each, 2) for each in took]),
    ]
    said = (
        f"{len(took)} cutovers and reversals, {len(pauses)} pauses met by {WRITERS} writers; {rate:.0f} writes per"
        f" second acknowledged on average, {sizes.rate:g} wanted; {verdict.acknowledged:,} acknowledged, none lost."
    )
    figures = {"median_ms": statistics.median(pauses), "p99_ms": percentile(pauses, 0.99)}
    return Part(rows, figures, [said])


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
