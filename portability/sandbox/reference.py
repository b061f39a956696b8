"""The serverless SaaS reference architecture as it stands: suffix shards in pooled tables, user pools, usage plans."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from portability.model.tenant import slug
from portability.sandbox import items
from portability.sandbox.clients import ACCOUNT, Clients
from portability.sandbox.data_access import Directory, Record
from portability.sandbox.ensure_gateway import (
    Gateway,
    Key,
    UsagePlan,
    ensure_bucket,
    ensure_gateway,
    ensure_keys,
    ensure_parameter,
    key_value,
)
from portability.sandbox.ensure_identity import User, UserPool, ensure_user_pool, ensure_users
from portability.sandbox.ensure_tables import Attribute, Index, Item, Table, ensure_items, ensure_table
from portability.sandbox.shape import Built, Shape, StoreKeys, Tenant, World

if TYPE_CHECKING:
    from collections.abc import Iterator

DETAILS = "ServerlessSaaS-TenantDetails"
MAPPING = "ServerlessSaaS-TenantStackMapping"
USERS = "ServerlessSaaS-TenantUserMapping"
SETTINGS = "ServerlessSaaS-Settings"
JOURNAL = "portability-journal"
ARCHIVE = f"portability-archive-{ACCOUNT}"
POOLED = "pooled"
CLIENT = "ServerlessSaaSClient"
CUSTOM = ("tenantId", "tenantTier", "userRole")
LAST_SUFFIX_DRAWN = 9  # the application draws randrange(1, 10); the pool's policy allows any
PLANS = (
    UsagePlan("basic", 50, 50, 1_000),
    UsagePlan("standard", 75, 100, 3_000),
    UsagePlan("premium", 100, 200, 5_000),
    UsagePlan("platinum", 300, 300, 10_000),
)
TENANTS = (
    Tenant("tenant-42", "basic", POOLED),
    Tenant("tenant-7", "basic", POOLED),
    Tenant("tenant-42-1", "standard", POOLED),  # its keys begin like tenant-42's
    Tenant("tenant-4", "basic", "pool-b"),
    Tenant("tenant-1", "standard", POOLED),
    Tenant("tenant-9", "premium", "silo"),
)
_SHARD = re.compile(r"(?P<tenant>.+)-\d+\Z")
_INDEX = {
    "Product": Index("byCategory", (Attribute("category"), Attribute("sku"))),
    "Order": Index("byStatus", (Attribute("orderStatus"), Attribute("orderedAt"))),
}


def _place(record: Record, tenant: str, store: str) -> str:
    if record["dedicatedTenancy"]["S"] == "true":
        return f"{store}-{slug(tenant)}"
    return f"{store}-{record.get('dataPlacement', {'S': POOLED})['S']}"


def _tenant_of(key: Item) -> str | None:
    match = _SHARD.match(key["shardId"]["S"])
    return match["tenant"] if match else None


def _keys(store: str, share: float) -> StoreKeys:
    sort = f"{store.lower()}Id"
    make = items.order if store == "Order" else items.product

    def new_key(tenant: str, name: str, rng: random.Random) -> Item:
        return {"shardId": {"S": f"{tenant}-{rng.randint(1, LAST_SUFFIX_DRAWN)}"}, sort: {"S": name}}

    def fill(_tenant: str, rng: random.Random) -> Item:
        return make(rng)

    return StoreKeys((Attribute("shardId"), Attribute(sort)), share, new_key, fill, _tenant_of)


STORES = {"Product": _keys("Product", 0.2), "Order": _keys("Order", 0.8)}


def _build(clients: Clients, world: World) -> Built:
    dynamodb, tenants = clients.dynamodb, tuple(world.items)
    for table in _control_tables():
        ensure_table(dynamodb, table)
    ensure_bucket(clients.s3, ARCHIVE)
    gateway = ensure_gateway(clients.apigateway, "serverless-saas", dynamodb.meta.region_name, PLANS)
    ensure_keys(clients.apigateway, gateway, _api_keys(world))
    for plan in PLANS:
        value = key_value(world.rng_seed, "tier", plan.tier)
        ensure_parameter(clients.ssm, f"/serverless-saas/api-keys/{plan.tier}", value)
    pool = _ensure_pool(clients, POOLED, {})
    settings = {
        "userPoolId-pooled": pool.id,
        "appClientId-pooled": pool.client_id,
        "apiGatewayUrl-Pooled": gateway.url,
    }
    for name, value in settings.items():
        dynamodb.put_item(TableName=SETTINGS, Item={"settingName": {"S": name}, "settingValue": {"S": value}})
    stack = {"stackName": {"S": "stack-pooled"}, "waveNumber": {"S": "1"}, "codeCommitId": {"S": "0" * 40}}
    dynamodb.put_item(TableName=MAPPING, Item={"tenantId": {"S": POOLED}, **stack})
    users = sum(_ensure_tenant(clients, world, tenant, gateway, pool) for tenant in tenants)
    return Built(
        items=_ensure_data(clients, world),
        users=users,
        names={"rest_api": gateway.api, "user_pool": pool.id, "archive": ARCHIVE, "journal": JOURNAL},
    )


def _control_tables() -> Iterator[Table]:
    tenant = Attribute("tenantId")
    by_name = Index("ServerlessSaas-TenantConfig", (Attribute("tenantName"),))
    yield Table(DETAILS, (tenant,), (by_name,), capacity=(5, 5))
    yield Table(MAPPING, (tenant,), capacity=(5, 5))
    by_user = Index("UserName", (Attribute("userName"), tenant))
    yield Table(USERS, (tenant, Attribute("userName")), (by_user,), capacity=(5, 5))
    yield Table(SETTINGS, (Attribute("settingName"),), capacity=(5, 5))
    yield Table(JOURNAL, (Attribute("pk"), Attribute("sk")))


def _data_table(store: str, placement: str, tags: tuple[tuple[str, str], ...] = ()) -> Table:
    return Table(
        f"{store}-{placement}",
        STORES[store].key,
        (_INDEX[store],),
        capacity=(5, 5),
        expires="expiresAt" if store == "Order" else None,
        tags=tags,
    )


def _ensure_data(clients: Clients, world: World) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    pools = {POOLED, "pool-b"}
    for store, keys in STORES.items():
        counts[store] = {}
        silos = {slug(tenant.id): tenant for tenant in world.items if tenant.placement == "silo"}
        for placement in sorted(pools | set(silos)):
            tags = (("tenant", silos[placement].id),) if placement in silos else ()
            table = _data_table(store, placement, tags)
            new = ensure_table(clients.dynamodb, table)
            here = [t for t in world.items if placement == (slug(t.id) if t.placement == "silo" else t.placement)]
            ours = {tenant.id for tenant in world.items}
            ensure_items(
                clients.dynamodb,
                table,
                (item for tenant in here for item in SHAPE.items(world, tenant, store)),
                new=new,
                ours=lambda key, keys=keys, ours=ours: keys.tenant_of(key) in ours,  # type: ignore[misc]
            )
            counts[store] |= {tenant.id: SHAPE.count(world, tenant, store) for tenant in here}
    return counts


def _ensure_pool(clients: Clients, name: str, tags: dict[str, str]) -> UserPool:
    return ensure_user_pool(clients.cognito, f"ServerlessSaaS-{name}", client=CLIENT, custom=CUSTOM, tags=tags)


def _ensure_tenant(clients: Clients, world: World, tenant: Tenant, gateway: Gateway, shared: UserPool) -> int:
    silo = tenant.placement == "silo"
    pool = _ensure_pool(clients, slug(tenant.id), {"tenant": tenant.id}) if silo else shared
    details = {
        "tenantId": tenant.id,
        "tenantName": tenant.id.replace("-", " ").title(),
        "tenantAddress": f"{len(tenant.id)} Example Street",
        "tenantEmail": f"admin@{slug(tenant.id)}.example.com",
        "tenantPhone": "+44 20 7946 0000",
        "tenantTier": tenant.tier,
        "apiKey": key_value(world.rng_seed, "tenant", tenant.id),
        "userPoolId": pool.id,
        "appClientId": pool.client_id,
        "dedicatedTenancy": "true" if silo else "false",
        "isActive": "true",
        "apiGatewayUrl": gateway.url,
    }
    if tenant.placement not in {POOLED, "silo"}:
        details["dataPlacement"] = tenant.placement
    clients.dynamodb.put_item(TableName=DETAILS, Item={name: {"S": value} for name, value in details.items()})
    stack = {"stackName": f"stack-{slug(tenant.id)}", "waveNumber": "2", "codeCommitId": "0" * 40}
    if silo:
        mapping = {"tenantId": tenant.id, **stack}
        clients.dynamodb.put_item(TableName=MAPPING, Item={name: {"S": value} for name, value in mapping.items()})
    else:
        clients.dynamodb.delete_item(TableName=MAPPING, Key={"tenantId": {"S": tenant.id}})
    users = list(_users(tenant))
    for user in users:
        row = {"tenantId": {"S": tenant.id}, "userName": {"S": user.name}}
        clients.dynamodb.put_item(TableName=USERS, Item=row)
    return ensure_users(clients.cognito, pool.id, users)


def _api_keys(world: World) -> Iterator[Key]:
    """The reference shares one key per tier; tenants here have their own as well, and both must be movable."""
    for plan in PLANS:
        yield Key(f"{plan.tier}-shared", key_value(world.rng_seed, "tier", plan.tier), plan.tier)
    for tenant in world.items:
        yield Key(tenant.id, key_value(world.rng_seed, "tenant", tenant.id), tenant.tier)


def _users(tenant: Tenant) -> Iterator[User]:
    role = "custom:userRole"
    ours = (("custom:tenantId", tenant.id), ("custom:tenantTier", tenant.tier))
    yield User(f"{tenant.id}-admin", tenant.id, ((role, "TenantAdmin"), *ours))
    for number in range(1, 6):
        lacks = number % 2 == 0  # ordinary users may lack what the authorizer needs
        attributes = ((role, "TenantUser"), *(() if lacks else ours))
        yield User(f"{tenant.id}-user-{number}", tenant.id, attributes, enabled=number != 5)  # noqa: PLR2004 - the last one


SHAPE = Shape(
    name="reference",
    directory=Directory(DETAILS, "tenantId", _place),
    journal=JOURNAL,
    stores=STORES,
    tenants=TENANTS,
    another=lambda tenant: Tenant(tenant, "basic", POOLED),
    build=_build,
)
