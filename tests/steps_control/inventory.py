"""Everything there is, as plain values: two inventories that are equal describe the same world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOVING = frozenset({"LastModifiedDate", "CreationDate", "UserLastModifiedDate", "UserCreateDate", "ResponseMetadata"})


@dataclass(frozen=True)
class Inventory:
    """`pools` by pool id, `plans` key ids by usage plan, `keys` by id, `tables` items by table."""

    pools: dict[str, Any]
    plans: dict[str, Any]
    tables: dict[str, Any]

    @classmethod
    def take(cls, client: Callable[[str], Any]) -> Inventory:
        """Read all of it."""
        cognito, gateway, dynamodb = client("cognito-idp"), client("apigateway"), client("dynamodb")
        return cls(
            pools={
                pool["Id"]: _pool(cognito, pool["Id"])
                for pool in _all(cognito, "list_user_pools", "UserPools", MaxResults=60)
            },
            plans={
                plan["id"]: sorted(key["id"] for key in gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"])
                for plan in gateway.get_usage_plans()["items"]
            },
            tables={name: _items(dynamodb, name) for name in sorted(dynamodb.list_tables()["TableNames"])},
        )

    def users(self, pool: str) -> dict[str, Any]:
        """The users of a pool by username."""
        users: dict[str, Any] = self.pools[pool]["users"]
        return users

    def named(self, name: str) -> str:
        """The id of the one pool with that name."""
        ids = [pool for pool, all_of_it in self.pools.items() if all_of_it["settings"]["Name"] == name]
        assert len(ids) == 1, ids
        return ids[0]

    def without(self, tenant: str) -> Any:
        """What belongs to anybody else."""
        pools = {
            pool: {**it, "users": {name: user for name, user in it["users"].items() if tenant not in user["groups"]}}
            for pool, it in self.pools.items()
            if tenant not in str(it["settings"]["Name"])
        }
        for it in pools.values():
            it["groups"] = {name: group for name, group in it["groups"].items() if name != tenant}
        tables = {
            name: [item for item in items if tenant not in str(item)]
            for name, items in self.tables.items()
            if tenant not in name
        }
        return pools, tables


def _pool(cognito: Any, pool: str) -> dict[str, Any]:
    described = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
    clients = [one["ClientId"] for one in _all(cognito, "list_user_pool_clients", "UserPoolClients", UserPoolId=pool)]
    groups = [group["GroupName"] for group in _all(cognito, "list_groups", "Groups", UserPoolId=pool)]
    members = {
        name: [u["Username"] for u in _all(cognito, "list_users_in_group", "Users", UserPoolId=pool, GroupName=name)]
        for name in groups
    }
    return {
        "settings": {
            name: value for name, value in described.items() if name not in MOVING | {"EstimatedNumberOfUsers"}
        },
        "clients": {
            client: _still(cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client)["UserPoolClient"])
            for client in clients
        },
        "groups": {name: sorted(members[name]) for name in groups},
        "users": {
            user["Username"]: {
                "attributes": {pair["Name"]: pair["Value"] for pair in user["Attributes"]},
                "enabled": user["Enabled"],
                "status": user["UserStatus"],
                "groups": sorted(name for name in groups if user["Username"] in members[name]),
            }
            for user in _all(cognito, "list_users", "Users", UserPoolId=pool)
        },
    }


def _all(cognito: Any, operation: str, answer: str, **where: Any) -> list[Any]:
    if operation in ("list_user_pools", "list_user_pool_clients"):
        where = {"MaxResults": 60, **where}
    return [one for page in cognito.get_paginator(operation).paginate(**where) for one in page[answer]]


def _still(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name not in MOVING}


def _items(dynamodb: Any, name: str) -> list[Any]:
    pages = dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
    return sorted((item for page in pages for item in page["Items"]), key=str)
