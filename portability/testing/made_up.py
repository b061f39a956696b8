"""A plan for a scene that has no estate of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from portability.model.estate import Estate, Identity, Model
from portability.model.plan import Location, Plan, Side, StoreMove
from portability.model.recipe import StepSpec

REGION, ACCOUNT = "us-east-1", "123456789012"


def made_up_plan(
    *steps: StepSpec,
    tenant: str = "tenant-42",
    stores: Mapping[str, Mapping[str, Any]] | None = None,
    moving: Sequence[str] = (),
) -> Plan:
    """A plan from a pool to a silo of these steps. `stores` are declared as in an estate; those in `moving` move."""
    declared = {
        "apiVersion": "portability/v1",
        "kind": "Estate",
        "accounts": {"allowed": [ACCOUNT], "regions": [REGION]},
        "journal": {"table": "portability-journal", "horizon": "1s", "far_horizon": "1s"},
        "directory": {"table": "Directory"},
        "tiers": {"basic": {"model": "pool"}, "premium": {"model": "silo"}},
        "stores": stores or {"Order": {"pool": "Order-pooled", "silo": "Order-{slug}", "partition_key": "id"}},
    }
    estate = msgspec.convert(declared, Estate)
    return Plan(
        tenant=tenant,
        source=_location("basic", Model.POOL),
        target=_location("premium", Model.SILO),
        recipe="made-up",
        steps=list(steps),
        stores=[_move(estate, name, tenant) for name in moving],
        estate=estate,
        account=ACCOUNT,
        facts={},
        digest="0" * 64,
    )


def _location(tier: str, model: Model) -> Location:
    return Location(tier=tier, placement="default", model=model, identity=Identity.POOL, region=REGION)


def _move(estate: Estate, name: str, tenant: str) -> StoreMove:
    store = estate.stores[name]
    return StoreMove(
        store=name,
        source=Side(table=store.pool.replace("{pool}", "pooled"), model=Model.POOL, region=REGION),
        target=Side(table=store.silo_table(tenant), model=Model.SILO, region=REGION),
    )
