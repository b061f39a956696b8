"""A recipe compiled for one tenant against the observed estate: concrete, digested, single use."""

from __future__ import annotations

from typing import Any

from portability.model.change import Change
from portability.model.estate import Estate, Identity, Model, Placement, Tier, Value
from portability.model.recipe import StepSpec

PLAN_SCHEMA = 1


class Location(Value, frozen=True, kw_only=True):
    """Where a tenant is or goes: a tier, one of its placements, and what that means."""

    tier: str
    placement: str
    model: Model
    identity: Identity
    region: str
    role: str | None = None
    pool: str = "pooled"


class Side(Value, frozen=True, kw_only=True):
    """One side of a store's move: a table, whether the whole of it belongs to the tenant, and where it is."""

    table: str
    model: Model
    region: str
    role: str | None = None


class StoreMove(Value, frozen=True, kw_only=True):
    """One store's move. `moves` is false where source and target are the same table."""

    store: str
    source: Side
    target: Side
    adopt: bool = False  # the target table is made by somebody else: it is checked, and never made or deleted

    @property
    def moves(self) -> bool:
        """Whether any data has to go anywhere."""
        return self.source != self.target


class Plan(Value, frozen=True, kw_only=True):
    """Everything a run needs to know, and nothing that changes by itself.

    `facts` are structural observations (schemas, settings, the directory fields used), never counts or times; they,
    the recipe and the estate make the digest.
    """

    schema: int = PLAN_SCHEMA
    tenant: str
    source: Location
    target: Location
    recipe: str
    steps: list[StepSpec]
    stores: list[StoreMove]
    estate: Estate
    account: str
    facts: dict[str, Any]
    digest: str
    made: str = ""  # random, per compilation: what is spent is this plan, not every plan that will ever equal it
    changes: list[Change] = []

    @property
    def moving(self) -> list[StoreMove]:
        """The stores whose data has to go somewhere."""
        return [move for move in self.stores if move.moves]

    @property
    def moves_identity(self) -> bool:
        """Whether the tenant's users change user pool."""
        return self.source.identity != self.target.identity


def location(tier_name: str, tier: Tier, placement_name: str, placement: Placement, home_region: str) -> Location:
    """The `Location` that a tier's placement stands for."""
    return Location(
        tier=tier_name,
        placement=placement_name,
        model=tier.model,
        identity=tier.identity,
        region=placement.region or home_region,
        role=placement.role,
        pool=placement.pool,
    )
