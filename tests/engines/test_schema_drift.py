"""A tenant's own tables grew away from the shared ones: what an operator sees, and what becomes of the data."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import yaml

from tests.support.world import World

TENANT, TABLE = "tenant-9", "Product-tenant-9"
LINES = {
    "rename": {"productName": "name"},
    "cast": {"stock": "N"},
    "keep": ["vipNotes", "writeId", "revised"],
    "archive": ["legacyBlob"],
}

pytestmark = pytest.mark.parametrize("world", ("reference",), indirect=True)


def items(world: World, table: str) -> dict[str, dict[str, Any]]:
    """The tenant's items of a table by sort key."""
    pages = world.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    found = [item for page in pages for item in page["Items"]]
    return {item["productId"]["S"]: item for item in found if item["shardId"]["S"].startswith(f"{TENANT}-")}


def drift(world: World) -> dict[str, dict[str, Any]]:
    """Let the tenant's own table grow away; its items as they then are."""
    dynamodb = world.client("dynamodb")
    seeded = list(items(world, TABLE).values())
    own = [seeded[0] | {"productId": {"S": f"own-{number:03}"}} for number in range(100)]
    for number, item in enumerate([*seeded, *own]):
        grown = {name: value for name, value in item.items() if name != "name"}
        grown |= {"productName": item["name"], "stock": {"S": str(number)}, "vipNotes": {"L": [{"S": "first row"}]}}
        dynamodb.put_item(TableName=TABLE, Item=grown | {"legacyBlob": {"B": bytes([number % 256])}})
    return items(world, TABLE)


def pooled(item: dict[str, Any]) -> dict[str, Any]:
    image = {name: value for name, value in item.items() if name not in {"productName", "legacyBlob"}}
    return image | {"name": item["productName"], "stock": {"N": item["stock"]["S"]}}


def declare(world: World, lines: dict[str, Any]) -> None:
    estate = yaml.safe_load(world.config.read_text())
    estate["stores"]["Product"]["attributes"] = lines
    world.config.write_text(yaml.safe_dump(estate, sort_keys=False))


@pytest.mark.timeout(400)
def test_drift_is_refused_then_mapped_moved_and_reversed_under_writes_with_nothing_lost(world: World) -> None:
    old, neighbours = drift(world), world.neighbours(TENANT)
    for verb in (("plan",), ("migrate", "--yes")):
        said = world.run(verb[0], TENANT, "--to", "basic", *verb[1:]).expect(3)
        text = " ".join((said.stdout + said.stderr).split())
        assert f"productName (S, {len(old)} items)" in text
        assert f"stock (S, {len(old)} items, N there)" in text
        assert "cast: {stock: N}" in text
        assert "first row" not in text
    assert not items(world, "Product-pooled")
    assert world.active(TENANT) == ""

    declare(world, LINES)
    world.run("validate").expect(0)
    with world.writers(2, TENANT) as ledgers:
        moved = world.run("migrate", TENANT, "--to", "basic", "--yes", "-o", "json").expect(0).json
    assert world.verdict(ledgers, TENANT).ok
    assert moved["verify"]["mismatched"] == 0
    there = untouched(world, "Product-pooled", old)
    assert there == {name: pooled(old[name]) for name in there}

    for name in sorted(there)[-20:]:
        world.client("dynamodb").update_item(
            TableName="Product-pooled",
            Key={part: old[name][part] for part in ("shardId", "productId")},
            UpdateExpression="SET #name = :name, stock = :stock",
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues={":name": {"S": "coffee"}, ":stock": {"N": "123456"}},
        )
        old[name] |= {"productName": {"S": "coffee"}, "stock": {"S": "123456"}}
    with world.writers(2, TENANT) as later:
        back = world.run("reverse", moved["run_id"], "--yes", "-o", "json").expect(0).json
    assert (back["state"], back["serving"]) == ("reversed", "source")
    verdict = world.verdict([*ledgers, *later], TENANT)
    assert verdict.ok, verdict.problems[:5]
    again = untouched(world, TABLE, old)
    assert again == {name: old[name] for name in again}
    assert any(item["stock"] == {"S": "123456"} for item in again.values())
    assert world.neighbours(TENANT) == neighbours


def test_what_the_mapping_leaves_out_is_in_the_archive_of_the_old_copy(world: World) -> None:
    old, neighbours = drift(world), world.neighbours(TENANT)
    declare(world, LINES)
    planned = world.run("plan", TENANT, "--to", "basic").expect(0)
    assert "productName -> name, stock as N" in planned.stdout
    run = world.run("migrate", TENANT, "--to", "basic", "--yes", "-o", "json").expect(0).json["run_id"]

    one = old["own-000"]
    world.client("dynamodb").put_item(TableName=TABLE, Item=one | {"price": {"N": "0.01"}})  # behind the tool's back
    key = ",".join(f"{part}={one[part]['S']}" for part in ("shardId", "productId"))
    look = world.run("verify", run, "--store", "Product", "--key", key, "-o", "json").expect(11).json
    assert look["attributes"] == ["price"]

    world.run("complete", run, "--confirm", TENANT, "-o", "json").expect(0)
    assert items(world, "Product-pooled") == {name: pooled(item) for name, item in old.items()}
    archived = [line["item"] for line in archive(world, run) if line.get("store") == "Product"]
    assert {item["productId"]["S"] for item in archived if "legacyBlob" in item} == old.keys()
    assert world.neighbours(TENANT) == neighbours


def untouched(world: World, table: str, known: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The tenant's items that no writer wrote."""
    found = {name: item for name, item in items(world, table).items() if name in known and "writeId" not in item}
    assert len(found) > 5
    return found


def archive(world: World, run: str) -> list[dict[str, Any]]:
    """The lines of what `complete` archived."""
    found = world.client("s3").get_object(
        Bucket="portability-archive-123456789012", Key=f"portability/{TENANT}/{run}.jsonl.gz"
    )
    return [json.loads(line) for line in gzip.decompress(found["Body"].read()).splitlines()]


def test_drift_that_a_plans_sample_does_not_show_stops_the_run_before_anything_is_copied(world: World) -> None:
    dynamodb = world.client("dynamodb")
    for number in range(150):  # more than a plan may read
        item = {"shardId": {"S": f"{TENANT}-{number % 9 + 1}"}, "productId": {"S": f"big-{number:03}"}}
        dynamodb.put_item(TableName=TABLE, Item=item | {"description": {"S": "x" * 30_000}})
    last = dynamodb.scan(TableName=TABLE, Segment=3, TotalSegments=4, ConsistentRead=True)["Items"][-1]
    dynamodb.put_item(TableName=TABLE, Item=last | {"oddity": {"BOOL": True}})

    world.run("plan", TENANT, "--to", "basic").expect(0)
    said = world.run("migrate", TENANT, "--to", "basic", "--yes").expect(11)
    text = " ".join((said.stdout + said.stderr).split())
    assert "oddity (BOOL, 1 item)" in text
    assert "PORT-E113" in text
    assert not items(world, "Product-pooled")

    world.run("cancel", world.active(TENANT), "--yes").expect(0)
    declare(world, {"keep": ["oddity", "writeId", "revised"]})
    world.run("plan", TENANT, "--to", "basic").expect(0)
