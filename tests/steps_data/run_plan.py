"""The plan that a run in memory performs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from portability.model.change import Change, Sign
from portability.model.estate import Estate, Identity, Model
from portability.model.plan import Location, Plan, Side, StoreMove
from portability.model.recipe import StepSpec
from portability.steps.base import Context, Observe, Output, Phase

TENANT, RUN = "tenant-42", "r-01HZ0000000000000000000001"
DIRECTORY, MAPPING = "Directory", "Mapping"


ESTATE: dict[str, Any] = {
    "apiVersion": "portability/v1",
    "kind": "Estate",
    "accounts": {"allowed": ["123456789012"], "regions": ["us-east-1"]},
    "journal": {"table": "portability-journal", "horizon": "1s"},
    "directory": {"table": DIRECTORY, "stores": {"Order": "orderTable"}, "cache": "100ms", "api_key": None},
    "stack_mapping": {"table": MAPPING},
    "tiers": {
        "basic": {"model": "pool", "identity": "pool"},
        "standard": {"model": "pool", "identity": "pool"},
        "premium": {"model": "silo", "identity": "pool"},
    },
    "stores": {"Order": {"pool": "Order-pooled", "silo": "Order-{slug}", "partition_key": "id"}},
    "fence": {"use": ["epoch"], "freeze_max": "5s", "drain": "2s", "attempts": 2, "tripwire": "1s"},
    "archive": {"bucket": "archive-bucket"},
    "soak": "1h",
}


def estate(**fence: Any) -> Estate:
    return msgspec.convert({**ESTATE, "fence": {**ESTATE["fence"], **fence}}, Estate)


def plan(declared: Estate, *, data: bool = True) -> Plan:
    target = "premium" if data else "standard"
    model = Model.SILO if data else Model.POOL
    pooled = Side(table="Order-pooled", model=Model.POOL, region="us-east-1")
    own = Side(table="Order-tenant-42", model=Model.SILO, region="us-east-1") if data else pooled
    uses = ["stage_config", "open_channel", "copy_data", "catch_up", "verify_data", "cut_over", "soak", "retire_source"]
    ids = [name.replace("_", "-") for name in uses]
    closes = {"cut-over": ["open-channel"], "retire-source": ["cut-over"]}
    return Plan(
        tenant=TENANT,
        source=_location("basic", Model.POOL),
        target=_location(target, model),
        recipe="pool-to-silo",
        steps=[StepSpec(id=id_, uses=name, closes=closes.get(id_, [])) for id_, name in zip(ids, uses, strict=True)],
        stores=[StoreMove(store="Order", source=pooled, target=own)],
        estate=declared,
        account="123456789012",
        facts={},
        digest="d" * 64,
    )


def _location(tier: str, model: Model) -> Location:
    return Location(tier=tier, placement="default", model=model, identity=Identity.POOL, region="us-east-1")


@dataclass(frozen=True)
class Staged:
    """Stands for stage_config: what it leaves, without API Gateway."""

    uses: ClassVar[str] = "stage_config"
    phase: ClassVar[Phase] = "prepare"

    def preview(self, ctx: Observe) -> Sequence[Change]:
        return [Change(step="", sign=Sign("="), kind="directory", name=ctx.plan.tenant)]

    def apply(self, ctx: Context) -> Output:
        own = ctx.plan.target.model is Model.SILO
        tables = [move.source.table for move in ctx.plan.stores], [move.target.table for move in ctx.plan.stores]
        return {
            "fields": {
                "source": {"tier": ctx.plan.source.tier, "dedicated": "false", "stores": {"Order": tables[0][0]}},
                "target": {
                    "tier": ctx.plan.target.tier,
                    "dedicated": "true" if own else "false",
                    "stores": {"Order": tables[1][0]},
                },
            },
            "stack": {"before": None, "after": "stack-tenant-42" if own else None},
        }

    def undo(self, ctx: Context) -> None:
        """Nothing was changed."""
