"""Our own control-plane steps in the contract suite: a tenant of the reference estate on the engines."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from portability.model.plan import Plan
from portability.sandbox.seed import reset, seed
from portability.steps import catalog
from portability.stores.catalog import open_move
from portability.testing import Hands, StepScene, Watch
from portability.testing.step_scene import QuickClock
from tests.steps_control.conftest import Place
from tests.steps_control.fake_context import quick_retry


class PlaceScene(StepScene):
    """`step` of the upgrade's recipe, alone; the place is seeded anew where a scene before has left something in it."""

    elsewhere = frozenset({"directory", "stack mapping", "usage plan"})  # stage_config shows what the flip does

    def __init__(self, place: Place, pristine: Any, step: str, every: int) -> None:
        self.step, self.every, self._place = step, every, place
        if place.inventory() != pristine:
            reset()
            seed("reference", tenants=2, items_per_tenant=2, tenant=place.tenant, items=4)
        plan = place.plan("premium")
        journal = msgspec.structs.replace(plan.estate.journal, horizon="100ms", far_horizon="100ms")
        steps = [spec for spec in plan.steps if spec.id == step]
        estate = msgspec.structs.replace(plan.estate, journal=journal)
        self._plan = msgspec.structs.replace(plan, steps=steps, estate=estate)
        record = place.record()
        self.private = (record["apiKey"]["S"], f"{place.tenant}-user-1@", "example.com")

    @property
    def plan(self) -> Plan:
        return self._plan

    def hands(self, watch: Watch, *, read_only: bool) -> Hands:
        aws = self._place.observing if read_only else self._place.aws_that_looks(lambda: watch("aws"))
        moves = [
            open_move(
                estate=self._plan.estate,
                plan_move=move,
                tenant=self._plan.tenant,
                aws=aws,
                clock=QuickClock(),
                retry=quick_retry(),
                rng=random.Random(1),
            )
            for move in self._plan.moving
        ]
        return Hands(aws=aws, build=catalog.build, moves=moves, retry=quick_retry())

    def inventory(self) -> object:
        found = self._place.inventory()
        pools = {f"pool {pool['settings']['Name']}": _named(pool) for pool in found.pools.values()}
        tables = {name: sorted(sorted(item) for item in items) for name, items in found.tables.items()}
        return {**pools, **tables, "plans": sorted(len(keys) for keys in found.plans.values())}


def _named(pool: Any) -> Any:
    """What a pool holds by names: Cognito draws new ids for each pool, client and user."""
    users = {name: (user["enabled"], user["status"], user["groups"]) for name, user in pool["users"].items()}
    return {"users": users, "groups": sorted(pool["groups"]), "clients": len(pool["clients"])}
