"""What every SaaS of the sandbox is to the seed, the application and the ledger."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from portability.sandbox.ensure_tables import Attribute, Item, scan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from portability.sandbox.clients import Clients
    from portability.sandbox.data_access import Directory

WRITE_ID = "writeId"  # the attribute by which a ledger knows its own writes again


@dataclass(frozen=True)
class Tenant:
    """A tenant as the seed wants it; `placement` is the pool it sits in, or `silo`."""

    id: str
    tier: str
    placement: str


@dataclass(frozen=True)
class World:
    """What a seed was asked for: how many items each tenant has over all its stores, and where numbers come from."""

    items: Mapping[Tenant, int]
    rng_seed: int

    def rng(self, *of: object) -> random.Random:
        """Made-up data for one thing, independent of every other thing."""
        return random.Random("/".join(map(str, (self.rng_seed, *of))))  # noqa: S311 - the same again is the point


@dataclass(frozen=True)
class Built:
    """What a shape made: items per store and tenant, and the names an estate file or a test asks for."""

    items: Mapping[str, Mapping[str, int]]
    users: int = 0
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoreKeys:
    """How a store's keys look.

    `share` is the store's part of a tenant's items, `new_key` a fresh key for a name no other key has, `fill` the rest
    of the item, `tenant_of` the tenant of a key by parsing it (None: nobody's).
    """

    key: tuple[Attribute, Attribute]
    share: float
    new_key: Callable[[str, str, random.Random], Item]
    fill: Callable[[str, random.Random], Item]
    tenant_of: Callable[[Item], str | None]

    def key_of(self, item: Item) -> Item:
        """The key attributes of an item."""
        return {attribute.name: item[attribute.name] for attribute in self.key}

    def plain(self, item: Item) -> tuple[str, ...]:
        """The key's values as text, in the order of the key."""
        return tuple(str(item[attribute.name][attribute.type]) for attribute in self.key)


@dataclass(frozen=True)
class Shape:
    """One SaaS: its directory, journal, stores, the tenants it has by default, and how it is built."""

    name: str
    directory: Directory
    journal: str
    stores: Mapping[str, StoreKeys]
    tenants: tuple[Tenant, ...]
    another: Callable[[str], Tenant]
    build: Callable[[Clients, World], Built]

    def items(self, world: World, tenant: Tenant, store: str) -> Iterator[Item]:
        """The seeded items of a tenant in a store, the same for the same world."""
        keys = self.stores[store]
        for number in range(self.count(world, tenant, store)):
            rng = world.rng(store, tenant.id, number)
            key = keys.new_key(tenant.id, f"seed-{number:07d}", rng)
            yield key | keys.fill(tenant.id, rng)

    def count(self, world: World, tenant: Tenant, store: str) -> int:
        """How many of the tenant's items are in this store; over all stores they make the number asked for."""
        *others, last = self.stores
        asked = world.items[tenant]
        if store == last:
            return asked - sum(self.count(world, tenant, other) for other in others)
        return round(asked * self.stores[store].share)

    def table(self, dynamodb: DynamoDBClient, tenant: str, store: str) -> str:
        """The table that serves this tenant's store now, by a strongly consistent read of the directory."""
        key = {self.directory.key: {"S": tenant}}
        answer = dynamodb.get_item(TableName=self.directory.table, Key=key, ConsistentRead=True)
        return self.directory.place(answer["Item"], tenant, store)

    def read_items(self, dynamodb: DynamoDBClient, tenant: str, store: str, table: str | None = None) -> Iterator[Item]:
        """Every item of the tenant, strongly consistent, from the serving table or the one named.

        The whole table is scanned and each key parsed: nothing about suffixes or indexes is taken on trust.
        """
        keys = self.stores[store]
        for item in scan(dynamodb, table or self.table(dynamodb, tenant, store)):
            if keys.tenant_of(keys.key_of(item)) == tenant:
                yield item
