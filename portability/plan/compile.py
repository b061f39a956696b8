"""A recipe and an estate, made concrete for one tenant. Pure: what was observed is passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from portability import errors
from portability.model.estate import Estate, Model, Tier, Value
from portability.model.plan import Location, Plan, Side, StoreMove, location
from portability.model.recipe import Recipe
from portability.model.tenant import checked_tenant
from portability.plan.check_recipe import ordered
from portability.plan.digest import digest, plain
from portability.plan.shape import suggestion


class NothingToDo(Value, frozen=True, kw_only=True):
    """The tenant is where it was asked to go."""

    tenant: str
    location: Location


def compile_plan(
    *,
    estate: Estate,
    recipes: Sequence[Recipe],
    tenant: str,
    record_location: tuple[str, str | None],
    to: str,
    account: str,
    facts: Mapping[str, Any] | None = None,
) -> Plan | NothingToDo:
    """The plan that takes `tenant` from where its directory record puts it to `to`.

    `record_location` is (tier, placement), the placement None where the record names none. `to` is `tier` or
    `tier@placement`; without a placement the tenant goes to the tier's `default`, or its first. A tenant that is asked
    into its own tier stays in its placement. `account` comes from STS. `facts` are structural observations:
    what a first plan, compiled without them, was used to look at.

    Raises `UnknownName` (tier, placement), `UsageMistake` (tenant id), `WrongEstate` (account), `NoRecipe`, and
    `PreflightRefused` where a table of the tenant's own would be a shared one.
    """
    checked_tenant(tenant)
    if account not in estate.accounts.allowed:
        allowed = ", ".join(estate.accounts.allowed)
        what = f"the credentials belong to account {account}, estate {estate.name} allows {allowed}"
        raise errors.WrongEstate(what, next=f"portability plan {tenant} --to {to} --profile NAME")
    source = resolve(
        estate, *record_location, about=f"the directory puts {tenant} in", next=f"portability doctor {tenant}"
    )
    tier, at, placement = to.partition("@")
    if at and not placement:
        raise errors.UsageMistake(f"{to!r} names no placement after @", next=f"portability plan {tenant} --to {tier}")
    stays = placement or (source.placement if tier == source.tier else None)
    target = resolve(estate, tier, stays, about="there is no", next=f"portability plan {tenant} --to {source.tier}")
    if (source.tier, source.placement) == (target.tier, target.placement):
        return NothingToDo(tenant=tenant, location=source)
    recipe = _recipe(recipes, source.model, target.model, tenant)
    plan = Plan(
        tenant=tenant,
        source=source,
        target=target,
        recipe=recipe.name,
        steps=ordered(recipe.steps),
        stores=[_move(estate, name, tenant, between=(source, target), home=account) for name in estate.stores],
        estate=estate,
        account=account,
        facts=plain(facts or {}),
        digest="",
    )
    return msgspec.structs.replace(plan, digest=digest(plan))


def resolve(estate: Estate, tier_name: str, placement_name: str | None, *, about: str, next: str) -> Location:  # noqa: A002 - as in `errors`
    """The location that names stand for; the placement's default is `default`, or the tier's first.

    Raises `UnknownName` beginning with `about`.
    """
    tier = estate.tiers.get(tier_name)
    if tier is None:
        raise errors.UnknownName(f"{about} tier {tier_name!a}{suggestion(tier_name, estate.tiers)}", next=next)
    name = placement_name or default_placement(tier)
    placement = tier.placements.get(name)
    if placement is None:
        near = suggestion(name, tier.placements)
        raise errors.UnknownName(f"{about} placement {name!a} of tier {tier_name}{near}", next=next)
    return location(tier_name, tier, name, placement, estate.home_region)


def default_placement(tier: Tier) -> str:
    """The placement called `default`, or the first."""
    return "default" if "default" in tier.placements else next(iter(tier.placements))


def _recipe(recipes: Sequence[Recipe], source: Model, target: Model, tenant: str) -> Recipe:
    for recipe in recipes:
        if (recipe.from_, recipe.to) == (source, target):
            return recipe
    pairs = ", ".join(sorted(f"{recipe.from_} to {recipe.to}" for recipe in recipes)) or "none"
    what = f"no recipe takes {tenant} from {source} to {target}; there are recipes for: {pairs}"
    raise errors.NoRecipe(what, next="write one beside the estate, then portability validate")


def _move(estate: Estate, store: str, tenant: str, *, between: tuple[Location, Location], home: str) -> StoreMove:
    before, after = (_side(estate, store, tenant, place) for place in between)
    if _place(before, home) == _place(after, home):
        # Equal sides tell every step that no data moves; another role on the same table is still the same table.
        return StoreMove(store=store, source=before, target=before)
    adopt = after.model is Model.POOL or estate.tiers[between[1].tier].provision.with_ == "adopt"
    return StoreMove(store=store, source=before, target=after, adopt=adopt)


def _side(estate: Estate, store: str, tenant: str, place: Location) -> Side:
    spec = estate.stores[store]
    placement = estate.tiers[place.tier].placements[place.placement]
    if place.model is Model.POOL:
        return Side(table=spec.pool_table(placement), model=Model.POOL, region=place.region, role=place.role)
    table = spec.silo_table(tenant)
    if table in _shared(estate):
        what = f"{tenant}'s own table of {store} would be {table}, which is shared"
        raise errors.PreflightRefused(what, next="change `silo` in the estate, then portability validate")
    return Side(table=table, model=place.model, region=place.region, role=place.role)


def _shared(estate: Estate) -> set[str]:
    """Every table that belongs to more than one tenant."""
    tables = {estate.journal.table, estate.directory.table}
    if estate.stack_mapping is not None:
        tables.add(estate.stack_mapping.table)
    if estate.cognito is not None:
        tables |= {table for table in (estate.cognito.settings_table, estate.cognito.mapping_table) if table}
    for tier in estate.tiers.values():
        for placement in tier.placements.values():
            tables |= {spec.pool_table(placement) for spec in estate.stores.values()}
    return tables


def _place(side: Side, home: str) -> tuple[str, str, str]:
    """Table, region and account; without a role it is our own account, `home`."""
    return side.table, side.region, side.role.split(":")[4] if side.role else home
