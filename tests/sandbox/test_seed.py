"""A seeded world: exact, repeatable, on this host only, and mindful of other tenants."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from portability.sandbox.clients import Clients
from portability.sandbox.ensure_identity import PASSWORD
from portability.sandbox.ensure_tables import scan
from portability.sandbox.reference import DETAILS, MAPPING, SETTINGS
from portability.sandbox.seed import SHAPES, find_shape, reset, seed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHAPE_NAMES = tuple(SHAPES)
SHAPE_RNG = random.Random(1)


@pytest.fixture(autouse=True)
def _emptied(clients: Clients) -> None:
    reset()


def _tables(dynamodb: DynamoDBClient) -> dict[str, list[str]]:
    return {
        name: sorted(json.dumps(item, sort_keys=True, default=str) for item in scan(dynamodb, name))
        for name in dynamodb.list_tables()["TableNames"]
    }


def _users(clients: Clients) -> list[str]:
    return sorted(
        json.dumps([pool["Name"], user["Username"], user["Enabled"], user["Attributes"]])
        for pool in clients.cognito.list_user_pools(MaxResults=60)["UserPools"]
        for user in clients.cognito.list_users(UserPoolId=pool["Id"])["Users"]
    )


def _keys(clients: Clients) -> list[tuple[str, str]]:
    gateway = clients.apigateway
    return sorted(
        (plan["name"], key["name"])
        for plan in gateway.get_usage_plans()["items"]
        for key in gateway.get_usage_plan_keys(usagePlanId=plan["id"], limit=500)["items"]
    )


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_seeding_again_makes_the_same_world(clients: Clients, shape: str) -> None:
    seeded = seed(shape, items_per_tenant=20)
    before = _tables(clients.dynamodb), _users(clients), _keys(clients)
    again = seed(shape, items_per_tenant=20)
    assert (_tables(clients.dynamodb), _users(clients), _keys(clients)) == before
    assert again.items == seeded.items
    assert again.names == seeded.names


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_seeding_again_undoes_what_happened_to_a_tenant_and_leaves_others_alone(clients: Clients, shape: str) -> None:
    seed(shape, items_per_tenant=20)
    world, dynamodb = find_shape(shape), clients.dynamodb
    before = _tables(dynamodb)
    for store, keys in world.stores.items():
        mine = list(world.read_items(dynamodb, "tenant-42", store))
        table = world.table(dynamodb, "tenant-42", store)
        dynamodb.delete_item(TableName=table, Key=keys.key_of(mine[0]))
        dynamodb.put_item(TableName=table, Item=mine[1] | {"changed": {"S": "by the tenant"}})
        key = keys.new_key("tenant-42", "w1-7", SHAPE_RNG)
        dynamodb.put_item(TableName=table, Item=key | keys.fill("tenant-42", SHAPE_RNG))
    stranger = next(iter(world.stores.values())).new_key("stranger", "w1-7", SHAPE_RNG)
    pooled = world.table(dynamodb, "tenant-42", next(iter(world.stores)))
    dynamodb.put_item(TableName=pooled, Item=stranger)
    seed(shape, items_per_tenant=20)
    dynamodb.delete_item(
        TableName=pooled, Key=stranger, ConditionExpression=f"attribute_exists({next(iter(stranger))})"
    )
    assert _tables(dynamodb) == before


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_each_tenant_has_exactly_its_own_items_whatever_its_name_begins_with(clients: Clients, shape: str) -> None:
    seeded = seed(shape, items_per_tenant=30, tenant="tenant-42", items=60)
    world = find_shape(shape)
    for tenant in seeded.tenants:
        found = {store: len(list(world.read_items(clients.dynamodb, tenant, store))) for store in world.stores}
        assert found == {store: seeded.items[store][tenant] for store in world.stores}
        assert sum(found.values()) == (60 if tenant == "tenant-42" else 30)


def test_the_reference_has_its_tables_and_its_traps(clients: Clients) -> None:
    seeded = seed("reference", items_per_tenant=40)
    dynamodb = clients.dynamodb
    assert set(dynamodb.list_tables()["TableNames"]) == {
        *("ServerlessSaaS-TenantDetails", "ServerlessSaaS-TenantStackMapping"),
        *("ServerlessSaaS-TenantUserMapping", "ServerlessSaaS-Settings", "portability-journal"),
        *(f"{store}-{place}" for store in ("Product", "Order") for place in ("pooled", "pool-b", "tenant-9")),
    }
    details = {item["tenantId"]["S"]: item for item in scan(dynamodb, DETAILS)}
    assert details["tenant-42"]["dedicatedTenancy"] == {"S": "false"}
    assert details["tenant-9"]["dedicatedTenancy"] == {"S": "true"}
    assert {tenant for tenant, item in details.items() if "dataPlacement" in item} == {"tenant-4"}
    assert {item["tenantId"]["S"] for item in scan(dynamodb, MAPPING)} == {"pooled", "tenant-9"}
    assert len(list(scan(dynamodb, SETTINGS))) == 3
    order = dynamodb.describe_table(TableName="Order-pooled")["Table"]
    assert order["ProvisionedThroughput"]["WriteCapacityUnits"] == 5
    assert "StreamSpecification" not in order
    assert [index["IndexName"] for index in order["GlobalSecondaryIndexes"]] == ["byStatus"]
    expiry = dynamodb.describe_time_to_live(TableName="Order-pooled")["TimeToLiveDescription"]
    assert expiry["AttributeName"] == "expiresAt"
    suffixes = {int(item["shardId"]["S"].rpartition("-")[2]) for item in scan(dynamodb, "Order-pooled")}
    assert suffixes == set(range(1, 10))
    pool = seeded.names["user_pool"]
    users = clients.cognito.list_users_in_group(UserPoolId=pool, GroupName="tenant-42")["Users"]
    lacking = [u for u in users if "custom:tenantId" not in {a["Name"] for a in u["Attributes"]}]
    assert (len(users), len(lacking), sum(not user["Enabled"] for user in users)) == (6, 2, 1)
    plans = {key: plan for plan, key in _keys(clients)}
    assert (plans["tenant-42"], plans["tenant-9"], plans["premium-shared"]) == ("basic", "premium", "premium")


def test_a_seeded_user_can_sign_in(clients: Clients) -> None:
    seeded = seed("reference", tenants=1, items_per_tenant=0)
    cognito = clients.cognito
    client = cognito.list_user_pool_clients(UserPoolId=seeded.names["user_pool"])["UserPoolClients"][0]["ClientId"]
    credentials = {"USERNAME": "tenant-42-admin", "PASSWORD": PASSWORD}
    answer = cognito.initiate_auth(ClientId=client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=credentials)
    assert "AuthenticationResult" in answer


def test_a_user_that_was_changed_is_put_back(clients: Clients) -> None:
    pool = seed("reference", tenants=1, items_per_tenant=0).names["user_pool"]
    before = _users(clients)
    who: Any = {"UserPoolId": pool, "Username": "tenant-42-user-2"}
    added: Any = [{"Name": "custom:tenantId", "Value": "tenant-42"}]
    clients.cognito.admin_update_user_attributes(**who, UserAttributes=added)
    clients.cognito.admin_disable_user(UserPoolId=pool, Username="tenant-42-admin")
    seed("reference", tenants=1, items_per_tenant=0)
    assert [_without_sub(user) for user in _users(clients)] == [_without_sub(user) for user in before]


def _without_sub(user: str) -> Any:
    pool, name, enabled, attributes = json.loads(user)
    return pool, name, enabled, [each for each in attributes if each["Name"] != "sub"]


def test_a_tenant_that_no_shape_knows_joins_the_pool(clients: Clients) -> None:
    seeded = seed("reference", tenants=0, tenant="acme:eu", items=10)
    assert seeded.tenants == ("acme:eu",)
    assert {item["shardId"]["S"].rpartition("-")[0] for item in scan(clients.dynamodb, "Order-pooled")} == {"acme:eu"}


def test_more_tenants_than_a_shape_has_are_made_up(clients: Clients) -> None:
    assert seed("single-table", tenants=7, items_per_tenant=5).tenants[5:] == ("tenant-101", "tenant-102")
