"""What the tool says of itself, held against the journal, the wire and the tables."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from portability.model.change import ACTING
from portability.model.run import Cursor
from portability.sandbox import ledger
from portability.sandbox.seed import find_shape
from portability.sandbox.shape import WRITE_ID
from tests.support.wire import Call, watched
from tests.support.world import STORES, World, wait_for

TENANT = "tenant-42"
MISMATCH, PARKED = 11, 7
WORKERS = 4  # units copied at a time, as the recipes leave it

# ----------------------------------------------------------------------------------------------- a kill inside the copy

WIDE = {
    "reference": ("Product", {"shardId": {"S": "tenant-42-1"}}, "productId", "S"),
    "single-table": ("Audit", {"tenant": {"S": TENANT}}, "eventId", "N"),
}
"""Where items go that are so large that their unit has several pages: store, partition, sort key and its type."""
WIDE_ITEMS, WIDE_BYTES = 8, 300_000
HELD = (b"wide-6-", b"Order-tenant-42")
"""What no write gets through with: the wide unit stops inside, and of the many others some are in flight."""


@dataclass(frozen=True)
class Copying:
    """A copy as the journal has it: `done` units, cursors inside units by name, keys parked by (store, unit)."""

    run: str
    done: frozenset[str]
    inside: Mapping[str, Cursor]
    parked: Mapping[str, int]

    @classmethod
    def read(cls, world: World) -> Copying:
        """Checkpoints and parked keys, by consistent reads of the journal's own rows."""
        run = world.active(TENANT)
        parked: dict[str, int] = defaultdict(int)
        for row in world.rows(f"RUN#{run}", "K#"):
            parked[f"{row['channel'].partition('.')[0]}/{row['group']}"] += int(row["count"])
        cursors = checkpoints(world, run)
        return cls(
            run=run,
            done=frozenset(cursor.unit for cursor in cursors if cursor.done),
            inside={cursor.unit: cursor for cursor in cursors if not cursor.done and cursor.position is not None},
            parked=parked,
        )

    @property
    def midway(self) -> bool:
        """A unit is done, another is half done, and keys of an unfinished one are parked."""
        return bool(self.done and self.inside and self.parked.keys() - self.done)


def checkpoints(world: World, run: str) -> list[Cursor]:
    """The last checkpoint of every unit of the copy."""
    rows = world.rows(f"RUN#{run}", "C#copy#")
    return [msgspec.msgpack.decode(row["cursor"], type=Cursor) for row in rows]


def put_wide_items(world: World) -> None:
    """Items that no writer touches, before all others of their partition or behind them."""
    store, partition, sort, kind = WIDE[world.shape]
    dynamodb = world.client("dynamodb")
    table = find_shape(world.shape).table(dynamodb, TENANT, store)
    for number in range(WIDE_ITEMS):
        key = {**partition, sort: {kind: str(number) if kind == "N" else f"wide-{number}"}}
        body = {"body": {"S": f"wide-{number}-".ljust(WIDE_BYTES, "x")}, WRITE_ID: {"S": "wide"}}
        dynamodb.put_item(TableName=table, Item={**key, **body})


def copied(events: Path) -> dict[str, list[int]]:
    """Items of each page that was copied, by unit."""
    pages: dict[str, list[int]] = defaultdict(list)
    for line in events.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "copied":
            pages[f"{event['store']}/{event['unit']}"].append(event["items"])
    return pages


def test_a_copy_killed_midway_copies_no_finished_page_again_and_loses_nothing(world: World) -> None:
    put_wide_items(world)
    before, after = world.folder / "before.jsonl", world.folder / "after.jsonl"

    def stuck(call: Call) -> bool:
        return call.operation == "BatchWriteItem" and any(each in call.body for each in HELD)

    with watched(world) as wire, world.writers(2, rate=25) as ledgers:
        with wire.hold(stuck):
            process = world.start(
                "--events", str(before), "migrate", TENANT, "--to", world.upper, "--yes", "-o", "json"
            )
            wait_for(lambda: Copying.read(world).midway)
            world.kill(process)
            died = Copying.read(world)
        resumed = world.run("--events", str(after), "resume", TENANT, "-o", "json").expect(0).json

    assert died.midway
    assert resumed["run_id"] == died.run
    assert (resumed["state"], resumed["serving"]) == ("soaking", "target")
    ended = Copying.read(world)
    assert ended.done > died.done
    assert died.inside.keys() <= ended.done

    first, second = copied(before), copied(after)
    assert not second.keys() & died.done
    assert second.keys() >= died.inside.keys()
    again = {
        unit.unit: sum(first[unit.unit]) + sum(second[unit.unit]) - unit.items for unit in checkpoints(world, died.run)
    }
    # A page is checkpointed before its event is written: a kill between the two leaves a page that no event tells of.
    assert sum(items != 0 for items in again.values()) <= WORKERS
    widest = max(max(pages) for pages in [*first.values(), *second.values()] if pages)
    assert all(-widest <= items <= max(first[unit] + second[unit], default=0) for unit, items in again.items())
    acknowledged = [call for call in wire.calls if call.operation == "BatchWriteItem" and b"wide-0-" in call.body]
    assert len(acknowledged) == 1

    verdict = world.verdict(ledgers)
    assert verdict.ok, verdict.problems[:5]
    world.run("journal", "verify", died.run).expect(0)


# ------------------------------------------------------------------------------------------- catching up, and repairing


def items(world: World, store: str, table: str | None = None) -> dict[tuple[str, ...], dict[str, Any]]:
    """The tenant's items by key, in the table named or the one that serves."""
    shape = find_shape(world.shape)
    found = shape.read_items(world.client("dynamodb"), TENANT, store, table)
    return {shape.stores[store].plain(item): item for item in found}


def test_catching_up_reads_each_changed_key_once_and_a_wrong_item_stops_the_run_until_it_is_repaired(
    world: World,
) -> None:
    shape, dynamodb = find_shape(world.shape), world.client("dynamodb")
    sources = {store: shape.table(dynamodb, TENANT, store) for store in STORES[world.shape]}
    world.run("migrate", TENANT, "--to", world.upper, "--yes", "--until", "copy", "-o", "json").expect(PARKED)
    with world.writers(3, rate=60) as ledgers:
        wait_for(lambda: len(acks(ledgers)) >= 400)
    with watched(world) as wire:
        world.run("resume", TENANT, "--until", "catch-up", "-o", "json").expect(PARKED)

    changed = set(acks(ledgers))
    assert len(acks(ledgers)) > 1.2 * len(changed)  # the application has hot keys
    assert len(changed) <= sum(wire.keys_read(table) for table in sources.values()) <= 1.05 * len(changed)

    good = {store: items(world, store) for store in sources}
    secrets = spoil(world, good)
    run = world.run("status", TENANT, "-o", "json").expect(0).json["run_id"]
    refused = world.run("resume", run, "-o", "json").expect(MISMATCH)
    stopped = world.run("status", run, "-o", "json").expect(0).json
    assert (stopped["state"], stopped["reason"], stopped["serving"]) == ("parked", "mismatch", "source")
    for found in ("1 differs", "1 missing", "1 extra"):
        assert found in refused.stderr
    told = refused.stdout + refused.stderr + json.dumps(stopped) + json.dumps(world.journal(run))
    assert not [secret for secret in secrets if secret in told]
    assert {store: shape.table(dynamodb, TENANT, store) for store in sources} == sources

    repaired = world.run("verify", run, "--repair", "-o", "json").expect(0).json
    assert sum(store["repaired"] for store in repaired["stores"].values()) == 3
    assert world.run("resume", run, "-o", "json").expect(0).json["serving"] == "target"
    assert {store: items(world, store) for store in sources} == good
    assert {store: items(world, store, table) for store, table in sources.items()} == good
    assert world.verdict(ledgers).ok


def acks(ledgers: list[Path]) -> list[tuple[str, tuple[str, ...]]]:
    """Store and key of every acknowledged write."""
    return [(line.store, line.key) for path in ledgers for line in ledger.read(path) if line.kind == "ack"]


def spoil(world: World, good: Mapping[str, Mapping[tuple[str, ...], dict[str, Any]]]) -> set[str]:
    """At the target change one byte of an item, leave one out, add one; texts that nobody may be shown."""
    dynamodb = world.client("dynamodb")
    (first, second), shape = STORES[world.shape], find_shape(world.shape)
    changed, omitted, *_ = (item for item in good[first].values() if WRITE_ID not in item)
    model, *_ = good[second].values()
    name, text = next(
        (name, value["S"])
        for name, value in changed.items()
        if "S" in value and name not in shape.stores[first].key_of(changed) and len(value["S"]) > 12
    )
    other = {**changed, name: {"S": chr(ord(text[0]) ^ 1) + text[1:]}}
    dynamodb.put_item(TableName=world.own_table(first), Item=other)
    dynamodb.delete_item(TableName=world.own_table(first), Key=shape.stores[first].key_of(omitted))
    added = {**model, **spare_key(world, second)}
    dynamodb.put_item(TableName=world.own_table(second), Item=added)
    return {
        value["S"]
        for item in (changed, omitted, added, other)
        for attribute, value in item.items()
        if "S" in value and len(value["S"]) > 12 and not value["S"].startswith(TENANT)
    }


def spare_key(world: World, store: str) -> dict[str, Any]:
    """A key of the tenant that the source does not have."""
    keys = {"Order": {"shardId": {"S": "tenant-42-3"}, "orderId": {"S": "never-ordered"}}}
    keys["Audit"] = {"tenant": {"S": TENANT}, "eventId": {"N": "1"}}
    return keys[store]


# ------------------------------------------------------------------------------------ what only looks, and what is told


def test_what_only_looks_sends_no_write_and_the_plan_is_what_the_run_then_does(world: World) -> None:
    looks = [
        ("validate",),
        ("doctor", TENANT, "-o", "json"),
        ("status", "-o", "json"),
        ("plan", TENANT, "--to", world.upper, "-o", "json"),
        ("migrate", TENANT, "--to", world.upper, "--dry-run", "-o", "json"),
    ]
    with watched(world) as wire:
        said = {argv[0]: world.run(*argv).expect(0) for argv in looks}
        assert wire.mutating == []
        assert {call.service for call in wire.calls} >= {"dynamodb", "apigateway", "lambda", "sts"}
        planned = said["plan"].json
        assert planned["mutating_calls"] == 0
        assert said["migrate"].json["changes"] == planned["changes"]

        run = world.run("migrate", TENANT, "--to", world.upper, "--yes", "-o", "json").expect(0).json["run_id"]
        assert {service for service, _ in wire.mutating} >= {"dynamodb"}
        wire.forget()
        world.run("status", TENANT, "-o", "json").expect(0)
        world.run("doctor", TENANT, "-o", "json")
        assert wire.mutating == []
        assert wire.calls

    retiring = {step["id"] for step in planned["steps"] if step["uses"] == "retire_source"}
    acting = [change for change in planned["changes"] if change["sign"] in ACTING]
    until_complete = {identity(change) for change in acting if change["step"] not in retiring}
    assert intended(world, run) == until_complete
    world.run("complete", run, "--confirm", TENANT, "-o", "json").expect(0)
    assert intended(world, run) == {identity(change) for change in acting} > until_complete


def identity(change: Mapping[str, Any]) -> tuple[str, str, str]:
    """What a plan and its run are compared by."""
    return change["sign"], change["kind"], change["name"]


def intended(world: World, run: str) -> set[tuple[str, str, str]]:
    """The acting changes that the run's journal announced."""
    intents = [entry["data"]["change"] for entry in world.journal(run) if entry["fact"] == "intent"]
    return {identity(change) for change in intents if change["sign"] in ACTING}
