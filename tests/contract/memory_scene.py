"""Our own data steps in the contract suite: a whole run in memory, with an application that is quiet.

What they do beside one that writes is in `tests/steps_data/`; here the world must be the same after every schedule.
"""

from __future__ import annotations

from typing import Any

import msgspec

from portability.journal.table import Table
from portability.model.plan import Plan
from portability.model.recipe import StepSpec
from portability.model.status import Goal
from portability.steps.base import Step
from portability.steps.directory import STAMP
from portability.testing import Hands, StepScene, Watch
from tests.steps_data.run_plan import DIRECTORY, MAPPING, TENANT
from tests.steps_data.run_world import Estate42, Process

READS = {
    "pin",
    "get",
    "describe",
    "lag",
    "settle",
    "drain",
    "mark",
    "compare_keys",
    "compare",
    "start",
    "become",
    "unit_done",
}
"""Calls that a scene's fakes announce and that change nothing but the journal, whose writes are points anyway."""


class MemoryScene(StepScene):
    """`step` of the run that `Estate42` plans."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.goals = (Goal.MIGRATE, Goal.COMPLETE) if step == "retire-source" else (Goal.MIGRATE,)
        self.every = 17 if step == "soak" else 3 if step == "retire-source" else 1  # an hour of soak has many points
        self.elsewhere = frozenset({"directory", "stack mapping"})  # stage_config previews what the flip writes
        self.undoable = step not in ("cut-over", "soak", "retire-source")
        self.estate = Estate42()
        self.estate.writing = False
        # The target is not this run's, so that an undo has to take the copies back one by one.
        stores = [msgspec.structs.replace(move, adopt=True) for move in self.estate.plan.stores]
        self.estate.plan = msgspec.structs.replace(self.estate.plan, stores=stores)

    @property
    def plan(self) -> Plan:
        return self.estate.plan

    def hands(self, watch: Watch, *, read_only: bool) -> Hands:
        process = Process(self.estate)
        kinds = {step.uses: step for step in process.steps()}

        def build(spec: StepSpec) -> Step:
            return kinds[spec.uses]

        def on_trap(label: str) -> None:
            when, _, what = label.partition(" ")
            if when == "before" and what.partition(" ")[0] not in {*READS, "append"}:
                watch(what)

        process.on_trap = on_trap
        return Hands(aws=process.aws, build=build, moves=process.moves, clock=self.estate.clock, retry=process.retry)

    def inventory(self) -> object:
        rows = {
            f"{table} {key}": {name: value for name, value in row.items() if name != STAMP}
            for (table, key), row in self.estate.dynamo.rows.items()
            if table in (DIRECTORY, MAPPING)
        }
        stamp: Any = self.estate.record.get(STAMP, {"M": {}})["M"]
        return {
            **rows,
            "fenced": stamp.get("fenced"),
            "stamped": STAMP in self.estate.record,
            "source": dict(self.estate.world.source.items),
            "target": dict(self.estate.world.target.items),
            "archive": sorted(self.estate.bucket.objects.values()),
            "broken": list(self.estate.broken),
            "flips": list(self.estate.flips),
            "tenant": TENANT,
        }

    def journal(self) -> Table:
        return self.estate.table
