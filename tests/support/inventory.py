"""Everything there is, as plain values: two inventories that are equal describe the same world."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
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


# ---------------------------------------------------------------------------------------------------------- everything

DATED = frozenset({"CreationDateTime", "createdDate", "lastUpdatedDate", "CreatedDate", "creationTime", "CreationDate"})
"""When something was made or touched: no part of what it is."""
COUNTED = frozenset({"ItemCount", "TableSizeBytes", "IndexSizeBytes", "EstimatedNumberOfUsers", "storedBytes"})
"""Figures that a service keeps by itself, late or not at all."""
LABELS = frozenset({"LatestStreamArn", "LatestStreamLabel"})
"""A stream that was on leaves its label on the table; whether it is on says the specification."""
VOLATILE = (
    DATED | COUNTED | LABELS | MOVING | {"NumberOfDecreasesToday", "LastDecreaseDateTime", "LastIncreaseDateTime"}
)


def everything(client: Callable[[str], Any], *, beside: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Every resource of every service that an estate has, by a name: `item Order-pooled tenant-42-1 o-17`.

    Values are settings; items, secrets and objects are hashes. What a service counts, dates or draws by lot is left
    out, except a user's `sub` and status, which have names of their own; so are items' attributes in `beside`.
    """
    services = (_cognito, _apigateway, _ssm, _s3, _others)
    found = [*_dynamodb(client, beside), *(pair for service in services for pair in service(client))]
    assert len(dict(found)) == len(found), "two resources of one name"
    return dict(found)


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs: the name with what was and what is, None where there is nothing."""
    names = sorted(before.keys() | after.keys())
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


Found = Iterator[tuple[str, Any]]


def _dynamodb(client: Callable[[str], Any], beside: frozenset[str]) -> Found:
    dynamodb = client("dynamodb")
    for table in _paged(dynamodb, "list_tables", "TableNames"):
        described = dynamodb.describe_table(TableName=table)["Table"]
        yield f"table {table}", _settled(described)
        yield f"ttl {table}", dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        names = [part["AttributeName"] for part in described["KeySchema"]]
        for item in _paged(dynamodb, "scan", "Items", TableName=table, ConsistentRead=True):
            key = " ".join(next(iter(item[name].values())) for name in names)
            yield f"item {table} {key}", _hash({name: item[name] for name in item.keys() - beside})


def _cognito(client: Callable[[str], Any]) -> Found:
    cognito = client("cognito-idp")
    for pool in (one["Id"] for one in _all(cognito, "list_user_pools", "UserPools")):
        described = _pool(cognito, pool)
        yield f"pool {pool}", _settled(described["settings"])
        yield f"mfa {pool}", _settled(cognito.get_user_pool_mfa_config(UserPoolId=pool))
        yield from ((f"client {pool} {name}", value) for name, value in described["clients"].items())
        yield from ((f"group {pool} {name}", members) for name, members in described["groups"].items())
        for name, user in described["users"].items():
            yield f"sub {pool} {name}", user["attributes"].pop("sub")
            yield f"status {pool} {name}", user.pop("status")
            yield f"user {pool} {name}", user


def _apigateway(client: Callable[[str], Any]) -> Found:
    gateway = client("apigateway")
    for api in _paged(gateway, "get_rest_apis", "items"):
        yield f"api {api['name']}", _settled(api)
        for resource in _paged(gateway, "get_resources", "items", restApiId=api["id"]):
            yield f"resource {api['name']} {resource['path']}", _settled(resource)
        for stage in gateway.get_stages(restApiId=api["id"])["item"]:
            yield f"stage {api['name']} {stage['stageName']}", _settled(stage)
    keys = {key["id"]: key["name"] for key in _paged(gateway, "get_api_keys", "items")}
    for key in _paged(gateway, "get_api_keys", "items", includeValues=True):
        yield f"key {key['name']}", _settled({**key, "value": _hash(key["value"])})
    for plan in _paged(gateway, "get_usage_plans", "items"):
        yield f"plan {plan['name']}", _settled(plan)
        inside = _paged(gateway, "get_usage_plan_keys", "items", usagePlanId=plan["id"])
        yield f"keys of plan {plan['name']}", sorted(keys[key["id"]] for key in inside)


def _ssm(client: Callable[[str], Any]) -> Found:
    ssm = client("ssm")
    for parameter in _paged(ssm, "describe_parameters", "Parameters"):
        value = ssm.get_parameter(Name=parameter["Name"], WithDecryption=True)["Parameter"]["Value"]
        kind, version = parameter["Type"], parameter["Version"]
        yield f"parameter {parameter['Name']}", {"value": _hash(value), "type": kind, "version": version}


def _s3(client: Callable[[str], Any]) -> Found:
    s3 = client("s3")
    for bucket in (one["Name"] for one in s3.list_buckets()["Buckets"]):
        yield f"bucket {bucket}", _settled(s3.get_bucket_versioning(Bucket=bucket))
        for version in _paged(s3, "list_object_versions", "Versions", Bucket=bucket):
            yield f"object {bucket} {version['Key']} {version['VersionId']}", version["ETag"]


def _others(client: Callable[[str], Any]) -> Found:
    """Services that no estate uses yet: what a run would leave there shows too."""
    lists = {
        "logs": ("describe_log_groups", "logGroups", "logGroupName"),
        "sqs": ("list_queues", "QueueUrls", ""),
        "sns": ("list_topics", "Topics", "TopicArn"),
        "events": ("list_rules", "Rules", "Name"),
        "lambda": ("list_event_source_mappings", "EventSourceMappings", "UUID"),
        "cloudformation": ("describe_stacks", "Stacks", "StackName"),
        "cloudwatch": ("describe_alarms", "MetricAlarms", "AlarmName"),
        "iam": ("list_roles", "Roles", "RoleName"),
    }
    for service, (operation, answer, name) in lists.items():
        for one in getattr(client(service), operation)().get(answer, []):
            yield f"{service} {one[name] if name else one}", None if not name else _settled(one)


def _paged(client: Any, operation: str, answer: str, **asked: Any) -> list[Any]:
    return [one for page in client.get_paginator(operation).paginate(**asked) for one in page.get(answer, [])]


def _settled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _settled(each) for name, each in value.items() if name not in VOLATILE}
    return [_settled(each) for each in value] if isinstance(value, list) else value


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()[:16]
