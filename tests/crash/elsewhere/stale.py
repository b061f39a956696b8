"""What may change in an estate between a plan and its run: one way for every kind of observed fact, put back after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from portability.model.plan import Plan
from tests.cli.bench import Bench
from tests.support.world import wait_for

Changing = Callable[[Bench, Plan], AbstractContextManager[None]]
"""Inside the block the estate is another."""

TENANT = "tenant-42"
UNITS = {"ReadCapacityUnits": 50, "WriteCapacityUnits": 50}


@contextmanager
def _record(bench: Bench, plan: Plan, *, name: str) -> Iterator[None]:
    """An attribute of the directory record."""
    dynamodb, table = bench.client("dynamodb"), plan.estate.directory.table
    item = dynamodb.get_item(TableName=table, Key={plan.estate.directory.key: {"S": TENANT}})["Item"]
    before = item.get(name, {"S": ""})["S"]
    flipped = {"true": "false", "false": "true"}.get(before, f"{before}x")
    other = {plan.source.tier: "standard"}.get(before, "pool-b" if name == plan.estate.directory.placement else flipped)
    dynamodb.put_item(TableName=table, Item=item | {name: {"S": other}})
    try:
        yield
    finally:
        dynamodb.put_item(TableName=table, Item=item)


@contextmanager
def _table(
    bench: Bench, _plan: Plan, *, table: str, there: Mapping[str, Any], back: Mapping[str, Any]
) -> Iterator[None]:
    """A setting of a shared table."""
    dynamodb = bench.client("dynamodb")
    dynamodb.update_table(TableName=table, **there)
    try:
        yield
    finally:
        dynamodb.update_table(TableName=table, **back)


@contextmanager
def _ttl(bench: Bench, plan: Plan, *, table: str, store: str) -> Iterator[None]:
    """The attribute by which items expire."""
    dynamodb, before = bench.client("dynamodb"), plan.facts[f"store {store}"]["source"]["ttl"]

    def say(name: str, *, enabled: bool) -> None:
        told = {"AttributeName": name, "Enabled": enabled}
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=told)

    say(before or "another", enabled=before is None)
    try:
        yield
    finally:
        say(before or "another", enabled=before is not None)


@contextmanager
def _target(bench: Bench, plan: Plan, *, store: str) -> Iterator[None]:
    """A table of the target's name."""
    dynamodb, keys = bench.client("dynamodb"), plan.facts[f"store {store}"]["source"]["keys"]
    move = next(move for move in plan.stores if move.store == store)
    parts = [(each.rpartition(" ")[0], each.rpartition(" ")[2]) for each in keys]
    dynamodb.create_table(
        TableName=move.target.table,
        KeySchema=[
            {"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(parts, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in parts],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        yield
    finally:
        dynamodb.delete_table(TableName=move.target.table)


@contextmanager
def _usage_plan(bench: Bench, plan: Plan, *, side: str) -> Iterator[None]:
    """The limit of a usage plan."""
    gateway, found = bench.client("apigateway"), plan.facts["stage_config"][side]

    def limit(rate: float) -> None:
        told = [{"op": "replace", "path": "/throttle/rateLimit", "value": f"{rate:g}"}]
        gateway.update_usage_plan(usagePlanId=found["id"], patchOperations=told)

    limit((found["rate"] or 1.0) + 1.0)
    try:
        yield
    finally:
        limit(found["rate"] or 1.0)


@contextmanager
def _pool(bench: Bench, plan: Plan) -> Iterator[None]:
    """How users of the shared pool sign in."""
    cognito, found = bench.client("cognito-idp"), plan.facts["port_identity"]["source"]

    def second_factor(kind: str) -> None:
        more = {} if kind == "OFF" else {"SoftwareTokenMfaConfiguration": {"Enabled": True}}
        cognito.set_user_pool_mfa_config(UserPoolId=found["pool"], MfaConfiguration=kind, **more)

    second_factor("OFF" if found["mfa"] != "OFF" else "OPTIONAL")
    try:
        yield
    finally:
        second_factor(found["mfa"])


@contextmanager
def _index(bench: Bench, plan: Plan, *, table: str, store: str) -> Iterator[None]:
    """An index that the table did not have."""
    dynamodb, facts = bench.client("dynamodb"), plan.facts[f"store {store}"]["source"]
    index: dict[str, Any] = {"IndexName": "late", "KeySchema": [{"AttributeName": "late", "KeyType": "HASH"}]}
    index["Projection"] = {"ProjectionType": "KEYS_ONLY"}
    if facts["billing"] == "provisioned":
        index["ProvisionedThroughput"] = UNITS
    dynamodb.update_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "late", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": index}],
    )
    _settled(dynamodb, table)
    try:
        yield
    finally:
        dynamodb.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "late"}}])
        _settled(dynamodb, table)


def _settled(dynamodb: Any, table: str) -> None:
    """Wait until the table and its indexes are active, and one that is being deleted is gone."""

    def holds() -> bool:
        found = dynamodb.describe_table(TableName=table)["Table"]
        indexes = found.get("GlobalSecondaryIndexes", [])
        return {found["TableStatus"], *(each["IndexStatus"] for each in indexes)} == {"ACTIVE"}

    wait_for(holds)


@contextmanager
def _billing(bench: Bench, plan: Plan, *, table: str, store: str) -> Iterator[None]:
    """How a table is paid for."""
    modes: list[Mapping[str, Any]] = [
        {"BillingMode": "PAY_PER_REQUEST"},
        {"BillingMode": "PROVISIONED", "ProvisionedThroughput": UNITS},
    ]
    before = plan.facts[f"store {store}"]["source"]["billing"] == "provisioned"
    there, back = modes if before else modes[::-1]
    with _table(bench, plan, table=table, there=there, back=back):
        yield


def _of_store(store: str, table: str) -> Mapping[str, Changing]:
    kept, not_kept = {"DeletionProtectionEnabled": True}, {"DeletionProtectionEnabled": False}
    return {
        f"store {store}.source.ttl": partial(_ttl, table=table, store=store),
        f"store {store}.source.billing": partial(_billing, table=table, store=store),
        f"store {store}.source.indexes": partial(_index, table=table, store=store),
        f"store {store}.source.deletion_protection": partial(_table, table=table, there=kept, back=not_kept),
        f"store {store}.target": partial(_target, store=store),
    }


def ways(plan: Plan) -> dict[str, Changing]:
    """Every way by the fact that it changes, as `Plan.facts` names it. Facts of a kind that nothing changes are named
    all the same, by what they are of: their trial says that a way is wanting.
    """
    found: dict[str, Changing] = {}
    for move in plan.moving:
        found |= _of_store(move.store, move.source.table)
    for name in plan.facts.get("preflight", {}).get("record", {}):
        found[f"preflight.record.{name}"] = partial(_record, name=name)
    for side in ("source", "target"):
        found[f"stage_config.{side}.rate"] = partial(_usage_plan, side=side)
    found["port_identity.source.mfa"] = _pool
    for of in plan.facts:
        if not any(name.startswith(f"{of}.") for name in found):
            found[of] = _wanting
    return found


def _wanting(_bench: Bench, _plan: Plan) -> AbstractContextManager[None]:
    msg = "a plan rests on facts that nothing here changes: add a way to tests/crash/elsewhere/stale.py"
    raise AssertionError(msg)
