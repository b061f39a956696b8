"""A different SaaS: one table for everything, tenant in a key pattern or alone, its configuration a JSON string."""

from __future__ import annotations

import hashlib
import json
import random
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

TENANTS_TABLE = "crm-tenants"
JOURNAL = "crm-portability-journal"
ARCHIVE = f"portability-archive-{ACCOUNT}"
PLANS = (
    UsagePlan("starter", 20, 20, 1_000),
    UsagePlan("growth", 50, 100, 5_000),
    UsagePlan("enterprise", 200, 400, 20_000),
)
TENANTS = (
    Tenant("tenant-42", "starter", "pool"),
    Tenant("acme-1", "starter", "pool"),
    Tenant("tenant-4", "starter", "pool"),
    Tenant("tenant-421", "starter", "pool"),
    Tenant("globex-9", "enterprise", "silo"),
)
_CONFIG = {"Main": "mainTable", "Audit": "auditTable"}
_KINDS = ("ORDER", "CUSTOMER", "INVOICE")
_PER_COLLECTION = 4  # items that share a partition key
_TENANT_PARTS = 3  # TENANT, the id, the rest


def _place(record: Record, _tenant: str, store: str) -> str:
    return str(json.loads(record["config"]["S"])[_CONFIG[store]])


def _tenant_of_main(key: Item) -> str | None:
    parts = key["pk"]["S"].split("#", 2)
    return parts[1] if len(parts) == _TENANT_PARTS and parts[0] == "TENANT" else None


def _main_key(tenant: str, name: str, rng: random.Random) -> Item:
    prefix, _, number = name.rpartition("-")
    collection = int(number) // _PER_COLLECTION
    kind = _KINDS[collection % len(_KINDS)]
    return {
        "pk": {"S": f"TENANT#{tenant}#{kind}#{prefix}-{collection}"},
        "sk": {"S": f"{rng.choice(('LINE', 'NOTE', 'META'))}#{name}"},
    }


def _audit_key(tenant: str, name: str, _rng: random.Random) -> Item:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6])
    return {"tenant": {"S": tenant}, "eventId": {"N": str(number)}}


STORES = {
    "Main": StoreKeys(
        key=(Attribute("pk"), Attribute("sk")),
        share=0.6,
        new_key=_main_key,
        fill=lambda tenant, rng: {"tenantId": {"S": tenant}, **items.record(rng)},
        tenant_of=_tenant_of_main,
    ),
    "Audit": StoreKeys(
        key=(Attribute("tenant"), Attribute("eventId", "N")),
        share=0.4,
        new_key=_audit_key,
        fill=lambda _tenant, rng: items.event(rng),
        tenant_of=lambda key: str(key["tenant"]["S"]),
    ),
}


def _build(clients: Clients, world: World) -> Built:
    for table in (
        Table(TENANTS_TABLE, (Attribute("id"),)),
        Table(JOURNAL, (Attribute("pk"), Attribute("sk"))),
    ):
        ensure_table(clients.dynamodb, table)
    ensure_bucket(clients.s3, ARCHIVE)
    gateway = ensure_gateway(clients.apigateway, "crm", clients.dynamodb.meta.region_name, PLANS)
    shared = [Key(f"crm-{plan.tier}", key_value(world.rng_seed, "crm", plan.tier), plan.tier) for plan in PLANS]
    ensure_keys(clients.apigateway, gateway, shared)
    for key in shared:
        ensure_parameter(clients.ssm, f"/crm/api-keys/{key.tier}", key.value)
    pool = ensure_user_pool(clients.cognito, "crm-users", client="crm", custom=("tenant", "role"), tags={})
    for tenant in world.items:
        _put_record(clients, tenant, gateway, pool)
    users = ensure_users(clients.cognito, pool.id, (user for tenant in world.items for user in _users(tenant)))
    return Built(
        items=_ensure_data(clients, world),
        users=users,
        names={"rest_api": gateway.api, "user_pool": pool.id, "archive": ARCHIVE, "journal": JOURNAL},
    )


def _suffix(tenant: Tenant) -> str:
    return f"-{slug(tenant.id)}" if tenant.placement == "silo" else ""


def _put_record(clients: Clients, tenant: Tenant, gateway: Gateway, pool: UserPool) -> None:
    config = {
        "userPoolId": pool.id,
        "appClientId": pool.client_id,
        "apiGatewayUrl": gateway.url,
        "mainTable": f"crm-main{_suffix(tenant)}",
        "auditTable": f"crm-audit{_suffix(tenant)}",
    }
    record = {
        "id": tenant.id,
        "name": tenant.id.replace("-", " ").title(),
        "email": f"admin@{slug(tenant.id)}.example.com",
        "plan": tenant.tier,
        "config": json.dumps(config),
    }
    clients.dynamodb.put_item(TableName=TENANTS_TABLE, Item={name: {"S": value} for name, value in record.items()})


def _tables(store: str, suffix: str) -> Table:
    by_tenant = Index("by-tenant", (Attribute("tenantId"), Attribute("pk")), "KEYS_ONLY")
    indexes = (by_tenant,) if store == "Main" else ()
    return Table(f"crm-{store.lower()}{suffix}", STORES[store].key, indexes)


def _ensure_data(clients: Clients, world: World) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    ours = {tenant.id for tenant in world.items}
    for store, keys in STORES.items():
        counts[store] = {}
        for suffix in sorted({"", *map(_suffix, world.items)}):
            table = _tables(store, suffix)
            new = ensure_table(clients.dynamodb, table)
            here = [tenant for tenant in world.items if _suffix(tenant) == suffix]
            ensure_items(
                clients.dynamodb,
                table,
                (item for tenant in here for item in SHAPE.items(world, tenant, store)),
                new=new,
                ours=lambda key, keys=keys: keys.tenant_of(key) in ours,  # type: ignore[misc]
            )
            counts[store] |= {tenant.id: SHAPE.count(world, tenant, store) for tenant in here}
    return counts


def _users(tenant: Tenant) -> Iterator[User]:
    for name, role in (("admin", "admin"), ("agent-1", "agent"), ("agent-2", "agent")):
        yield User(f"{tenant.id}-{name}", tenant.id, (("custom:tenant", tenant.id), ("custom:role", role)))


SHAPE = Shape(
    name="single-table",
    directory=Directory(TENANTS_TABLE, "id", _place),
    journal=JOURNAL,
    stores=STORES,
    tenants=TENANTS,
    another=lambda tenant: Tenant(tenant, "starter", "pool"),
    build=_build,
)
