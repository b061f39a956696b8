"""The worlds of the outside package's step and store, found by their entry points as the tool finds them."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from portability.aws.session import Aws
from portability.journal.table import Table
from portability.model.plan import Plan
from portability.model.recipe import StepSpec
from portability.retry import Retry
from portability.steps import catalog
from portability.steps.base import Step
from portability.stores.base import Key, Move
from portability.stores.catalog import open_move
from portability.testing import Hands, StepScene, StoreScene, Watch, Wire, made_up_plan
from portability.testing.step_scene import QuickClock
from portability.testing.store_scene import Place

TENANT = "tenant-42"
NEIGHBOURS = ("tenant-4", "tenant-42-1", "tenant")
Tamper = Callable[[Any], Any]
"""Turns what was made by the package into something that breaks the contract."""


def as_it_is(made: Any) -> Any:
    return made


class FlagScene(StepScene):
    """A flag service with this tenant's flag and a neighbour's."""

    step = "flag"
    private = ("a-secret-of-the-flag-service",)

    def __init__(self, folder: Path, tamper: Tamper = as_it_is, table: Callable[[], Table] | None = None) -> None:
        self.file = folder / "flags.json"
        self._tamper, self._table = tamper, table
        self._plan = made_up_plan(StepSpec(id="flag", uses="set_flag", with_={"file": str(self.file)}))
        self.flags().put(TENANT, "shared")
        self.flags().put("tenant-4", "shared")

    def flags(self, **more: Any) -> Any:
        return importlib.import_module("portability_shelf.flags").Flags(self.file, **more)

    @property
    def plan(self) -> Plan:
        return self._plan

    def hands(self, watch: Watch, *, read_only: bool) -> Hands:
        def build(spec: StepSpec) -> Step:
            made: Any = catalog.build(spec)
            own = type(made)(with_=made.with_, service=lambda _file: self.flags(watch=watch))
            tampered: Step = self._tamper(own)
            return tampered

        return Hands(aws=nowhere(read_only=read_only), build=build)

    def inventory(self) -> object:
        return self.flags().all()

    def journal(self) -> Table:
        return super().journal() if self._table is None else self._table()


def nowhere(*, read_only: bool) -> Aws:
    """AWS for what asks it nothing."""
    return Aws(region="us-east-1", read_only=read_only)


class ShelfScene(StoreScene):
    """Two shelves in a folder of their own."""

    horizon = 0.1
    most_kills = 200

    def __init__(self, folder: Path, tamper: Tamper = as_it_is, table: Callable[[], Table] | None = None) -> None:
        self._tamper, self._table = tamper, table
        options = {"folder": str(folder), "horizon": self.horizon}
        declared = {
            "kind": "shelf",
            "pool": "pooled-shelf",
            "silo": "shelf-{slug}",
            "partition_key": "id",
            "options": options,
        }
        self._plan = made_up_plan(tenant=TENANT, stores={"Order": declared}, moving=["Order"])
        (move,) = self._plan.stores
        shelf = importlib.import_module("portability_shelf.shelf").Shelf
        self.shelves: dict[Place, Any] = {
            "source": shelf(folder / f"{move.source.table}.db"),
            "target": shelf(folder / f"{move.target.table}.db"),
        }
        for one in self.shelves.values():
            one.make()
            for neighbour in NEIGHBOURS:
                one.put(neighbour, {1: "theirs", 2: "theirs"}, at=0.0)

    def move(self, wire: Wire) -> Move:
        made: Any = open_move(
            estate=self._plan.estate,
            plan_move=self._plan.stores[0],
            tenant=TENANT,
            aws=nowhere(read_only=False),
            clock=QuickClock(),
            retry=Retry(),
            rng=random.Random(1),
        )
        made.send, made.horizon = wire, self.horizon
        tampered: Move = self._tamper(made)
        return tampered

    def write(self, place: Place, number: int, value: str | None) -> Key:
        self.shelves[place].put(TENANT, {number: value}, at=QuickClock().now())
        return {"id": {"N": str(number)}}

    def held(self, place: Place) -> dict[int, str]:
        return dict(self.shelves[place].items(TENANT)) if self.shelves[place].there() else {}

    def others(self, place: Place) -> object:
        return self.shelves[place].others(TENANT) if place == "source" else None

    def foreign_key(self) -> Key:
        return {"id": {"N": "1"}, "tenant": {"S": "tenant-4"}}

    def unwritable(self) -> Key | None:
        return self.write("source", 900, "x" * 101)

    def without_target(self) -> bool:
        self.shelves["target"].remove()
        return True

    def journal(self) -> Table:
        return super().journal() if self._table is None else self._table()
