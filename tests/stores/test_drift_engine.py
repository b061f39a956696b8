"""A tenant's own table whose attributes are others than the shared one's, on DynamoDB Local."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest

from portability import errors
from portability.stores.base import ChannelState, Flow
from portability.stores.dynamodb.channel import DynamoChannel
from portability.stores.dynamodb.move import DynamoMove
from tests.stores.memory_ledger import MemoryLedger
from tests.stores.world import Item, World, copy_all, keys_of, opened, until

pytestmark = pytest.mark.usefixtures("aws_env")

LINES: dict[str, Any] = {
    "rename": {"colour": "color"},
    "cast": {"sku": "S"},
    "keep": ["vipNotes"],
    "archive": ["legacyBlob"],
}
SHARED = {"value": "S", "tenantId": "S", "color": "S", "sku": "S", "tags": "SS"}


def drifted(world: World, number: int, **more: Any) -> Item:
    """An item as the tenant's own application writes it."""
    item = world.item(number) | {"colour": {"S": "teal"}, "sku": {"N": str(number)}}
    item["legacyBlob"] = {"B": bytes([number % 256])}
    if number % 3 == 0:
        item["vipNotes"] = {"L": [{"S": "first row"}, {"N": "1.5"}]}
    return item | more


def pooled(item: Item) -> Item:
    """The same item as the shared table has it, by hand."""
    image = {name: value for name, value in item.items() if name not in {"colour", "legacyBlob"}}
    if "colour" in item:
        image["color"] = item["colour"]
    if "N" in item.get("sku", {}):
        image["sku"] = {"S": item["sku"]["N"]}
    return image


def made(prefix: str, attributes: dict[str, Any] | None, *, shared: bool = True) -> World:
    world = World(prefix, attributes=attributes)
    world.make(world.pool)
    world.make(world.silo)
    if shared:
        more: Item = {"color": {"S": "red"}, "sku": {"S": "A-1"}, "tags": {"SS": ["a"]}}
        world.fill(world.pool, [world.item(n, tenant=who, **more) for who in world.neighbours for n in range(9)])
    return world


def going(world: World) -> DynamoMove:
    return world.move(world.silo, world.pool)


def blocks(move: DynamoMove, *, whole: bool = True) -> list[tuple[str, str]]:
    found = move.drift(check=(lambda: None) if whole else None)
    return [(one.text, one.next) for one in found if one.level == "block"]


@contextlib.contextmanager
def running(move: DynamoMove, flow: Flow, ledger: MemoryLedger, state: ChannelState) -> Iterator[DynamoChannel]:
    channel = opened(move, flow, ledger, done=move.units(flow) if flow is Flow.REVERSE else ())
    channel.start(state)
    try:
        yield channel
    finally:
        channel.stop()


class Application:
    """Inserts, updates and deletes one after another, and knows what was acknowledged."""

    def __init__(self, world: World, table: str, make: Callable[[int, int], Item], numbers: range) -> None:
        self.held: dict[str, Item | None] = {}
        self.writes = 0
        self._dynamo, self._table, self._make, self._numbers = world.aws.dynamodb(fresh=True), table, make, numbers
        self._world, self._rng, self._stop = world, random.Random(11), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for(self, writes: int) -> None:
        wanted = self.writes + writes
        until(lambda: self.writes >= wanted or not self._thread.is_alive(), 30.0)

    def _run(self) -> None:
        for turn in itertools.count():
            if self._stop.is_set():
                return
            item = self._make(self._rng.choice(self._numbers), turn)
            key = self._world.key(item)
            if self._rng.random() < 0.2:
                self._dynamo.delete(self._table, key)
                self.held[str(key)] = None
            else:
                self._dynamo.put(self._table, item)
                self.held[str(key)] = item
            self.writes += 1
            time.sleep(0.001)


# ------------------------------------------------------------------------------------------------------------ preflight


@pytest.mark.parametrize("declared", (True, False))
@pytest.mark.parametrize("whole", (True, False))
def test_drift_that_the_estate_does_not_map_is_refused_with_the_lines_to_add(
    prefix: str, declared: bool, whole: bool
) -> None:
    world = made(prefix, {"pool": SHARED} if declared else None)
    world.fill(world.silo, [drifted(world, number) for number in range(30)])
    ((text, fix),) = blocks(going(world), whole=whole)
    for told in (
        "colour (S, 30 items)",
        "sku (N, 30 items, S there)",
        "legacyBlob (B, 30 items)",
        "vipNotes (L, 10 items)",
    ):
        assert told in text
    assert "every item read, 30" in text
    assert "{rename: {colour: color}, cast: {sku: S}, keep: [legacyBlob, vipNotes]}" in fix
    assert "stores.Order.attributes" in fix
    assert "teal" not in text + fix


def test_the_lines_that_a_refusal_gives_let_the_tenant_go(prefix: str) -> None:
    lines = {"rename": {"colour": "color"}, "cast": {"sku": "S"}, "keep": ["legacyBlob", "vipNotes"]}
    world = made(prefix, lines)
    world.fill(world.silo, [drifted(world, number) for number in range(30)])
    assert going(world).drift(check=lambda: None) == []


def test_a_tenants_own_lines_stand_instead_of_those_of_all(prefix: str) -> None:
    world = made(prefix, {"keep": ["colour", "sku", "legacyBlob", "vipNotes"], "tenants": {World.tenant: LINES}})
    world.fill(world.silo, [drifted(world, number) for number in range(9)])
    move = going(world)
    assert move.drift() == []
    copy_all(move, Flow.FORWARD)
    assert all("color" in item for item in world.mine(world.pool).values())


def test_a_rare_attribute_is_found_by_reading_every_item(prefix: str) -> None:
    world = made(prefix, None)
    world.fill(world.silo, [world.item(number, filler={"S": "x" * 30_000}) for number in range(120)])
    world.fill(world.silo, [world.item(500, oddity={"BOOL": True})])
    ticks: list[None] = []
    found = going(world).drift(check=lambda: ticks.append(None))
    assert "oddity (BOOL, 1 item)" in found[0].text
    assert len(ticks) >= 4


def test_a_shared_table_without_items_of_others_teaches_nothing_and_says_so(prefix: str) -> None:
    world = made(prefix, None, shared=False)
    world.fill(world.pool, [drifted(world, 1)])  # the tenant's own leftover makes nothing known
    world.fill(world.silo, [drifted(world, 1)])
    (found,) = going(world).drift(check=lambda: None)
    assert found.level == "warn"
    assert "no items to learn" in found.text


def test_other_ways_are_not_held_against_attributes(prefix: str) -> None:
    world = made(prefix, {"pool": {"value": "S"}, **LINES})
    world.fill(world.pool, [world.item(1, sku={"N": "1"}, colour={"S": "red"})])
    upgrade = world.move()
    assert upgrade.drift(check=lambda: None) == []
    copy_all(upgrade, Flow.FORWARD)
    world.assert_equal(world.pool, world.silo)


def test_an_item_whose_attributes_would_collide_is_refused_in_preflight(prefix: str) -> None:
    world = made(prefix, LINES)
    world.fill(world.silo, [drifted(world, 1), drifted(world, 2, color={"S": "red"})])
    ((text, _),) = blocks(going(world))
    assert "1 item of" in text
    assert "it has colour and color, which would be one attribute" in text


# ------------------------------------------------------------------------------------------------------- there and back


def test_mapped_attributes_go_there_under_writes_and_come_back_with_nothing_lost_on_either_side(prefix: str) -> None:
    world = made(prefix, {"pool": SHARED, **LINES})
    before = world.others(world.pool)
    world.fill(world.silo, [drifted(world, number) for number in range(200)])
    # Rows from before the table drifted, and rows of both kinds.
    world.fill(world.silo, [world.item(200 + n, color={"S": "old"}, sku={"S": "77"}) for n in range(20)])
    move, ledger = going(world), MemoryLedger()
    assert move.drift(check=lambda: None) == []

    with running(move, Flow.FORWARD, ledger, ChannelState.SYNC) as channel:
        with Application(
            world, world.silo, lambda n, turn: drifted(world, n, colour={"S": f"turn {turn}"}), range(240)
        ) as app:
            app.wait_for(50)
            copy_all(move, Flow.FORWARD, channel)
            app.wait_for(100)
        channel.settle(patience=20)
        silo, pool = world.mine(world.silo), world.mine(world.pool)
        assert pool == {key: pooled(item) for key, item in silo.items()}
        compared = [move.compare(Flow.FORWARD, unit, repair=False) for unit in move.units(Flow.FORWARD)]
        assert all(one.equal for one in compared)
        assert sum(one.source_items for one in compared) == len(silo)
        assert move.strays(Flow.FORWARD) == []
        assert move.compare_keys(Flow.FORWARD, [world.key(item) for item in silo.values()]).equal

    # The flip: from here on the tenant writes as the shared application does.
    kept = dict(silo)
    with running(move, Flow.REVERSE, ledger, ChannelState.SYNC) as back:
        with Application(
            world,
            world.pool,
            lambda n, turn: world.item(n, color={"S": f"later {turn}"}, sku={"S": "A" if n % 2 else str(n)}),
            range(100, 260),
        ) as app:
            app.wait_for(150)
        back.settle(patience=20)
        assert all(move.compare(Flow.REVERSE, unit, repair=False).equal for unit in move.units(Flow.REVERSE))
        assert move.strays(Flow.REVERSE) == []

    held = {str(world.key(item)): item for item in world.mine(world.silo).values()}
    for key, item in app.held.items():
        if item is None:
            assert key not in held
            continue
        now = held[key]
        assert pooled(now) == item
        assert now.get("colour", now.get("color")) == item["color"]
        assert now["sku"] in ({"N": item["sku"]["S"]}, item["sku"])
    untouched = {str(world.key(item)): item for item in kept.values()}
    for key, item in untouched.items():
        if key not in app.held:
            assert held[key] == item  # archived attributes and types of old rows included
    rewritten = [(held[key], untouched[key]) for key, item in app.held.items() if item is not None and key in untouched]
    assert any(now.get("legacyBlob") == old["legacyBlob"] for now, old in rewritten if "legacyBlob" in old)
    assert world.others(world.pool) == before


def test_a_repair_of_either_side_keeps_the_mapping(prefix: str) -> None:
    world = made(prefix, LINES)
    world.fill(world.silo, [drifted(world, number) for number in range(30)])
    move = going(world)
    copy_all(move, Flow.FORWARD)
    spoilt = world.key(drifted(world, 3))
    world.fill(world.pool, [spoilt | {"color": {"S": "spoilt"}}])
    unit = {unit: move.compare(Flow.FORWARD, unit, repair=False) for unit in move.units(Flow.FORWARD)}
    assert [one.differences[0].why for one in unit.values() if one.differences] == ["differs"]
    for each in unit:
        move.compare(Flow.FORWARD, each, repair=True)
    assert world.mine(world.pool) == {key: pooled(item) for key, item in world.mine(world.silo).items()}

    world.fill(world.pool, [spoilt | {"color": {"S": "newer"}}])
    for each in move.units(Flow.REVERSE):
        move.compare(Flow.REVERSE, each, repair=True)
    (now,) = [item for item in world.mine(world.silo).values() if world.key(item) == spoilt]
    assert now == spoilt | {"colour": {"S": "newer"}, "legacyBlob": drifted(world, 3)["legacyBlob"]}


def test_what_is_erased_and_archived_is_the_old_copy_whole(prefix: str) -> None:
    world = made(prefix, LINES)
    world.fill(world.silo, [drifted(world, number) for number in range(3)])
    lines = b"".join(going(world).archive(Flow.FORWARD))
    assert lines.count(b"legacyBlob") == 3
    assert b'"colour"' in lines


# ------------------------------------------------------------------------------------------------- what cannot be taken


def refused(world: World, item: Item, because: str) -> None:
    """Copy a few items and this one: it alone is kept back, durably, blocks, and goes once it is corrected."""
    good = [drifted(world, number) for number in range(20)]
    world.fill(world.silo, [*good, item])
    move, ledger = going(world), MemoryLedger()
    with running(move, Flow.FORWARD, ledger, ChannelState.SYNC) as channel:
        copy_all(move, Flow.FORWARD, channel)
        assert len(world.mine(world.pool)) == 20
        assert channel.counts()["unwritable"] == 1
        assert because in channel.refused()
        assert [group for group, _ in keys_of(ledger, channel.name)] == ["unwritable"]
        with pytest.raises(errors.Parked) as parked:
            channel.settle(patience=0.3)
        assert parked.value.exit_code == 7
        assert because in parked.value.what
        compared = [move.compare(Flow.FORWARD, unit, repair=False) for unit in move.units(Flow.FORWARD)]
        assert [one.differences[0].why for one in compared if one.differences] == ["missing"]
        assert world.mine(world.silo).keys() >= world.mine(world.pool).keys()

    with running(going(world), Flow.FORWARD, ledger, ChannelState.SYNC) as channel:
        assert channel.counts()["unwritable"] == 1
        with pytest.raises(errors.Parked, match=because):
            channel.settle(patience=0.3)
        world.fill(world.silo, [world.key(item) | {"colour": {"S": "teal"}, "sku": {"N": "1"}}])
        copy_all(move, Flow.FORWARD, channel)
        channel.settle(patience=20)
        assert not ledger.parked(channel.name)
        assert world.mine(world.pool) == {key: pooled(one) for key, one in world.mine(world.silo).items()}


def test_an_item_that_outgrows_400_kb_by_the_mapping_blocks_and_nothing_is_lost(prefix: str) -> None:
    world = made(prefix, LINES)
    large = drifted(world, 90, sku={"N": "1e-130"})
    del large["legacyBlob"]
    spare = 400 * 1024 - sum(
        len(name) + len(next(iter(value.values()))) for name, value in large.items() if "S" in value
    )
    large["vipNotes"] = {"S": "x" * (spare - len("vipNotes") - len("sku") - 20)}
    refused(world, large, "larger than 400 KB")


def test_an_item_that_would_break_an_index_key_of_the_target_blocks_and_nothing_is_lost(prefix: str) -> None:
    world = World(prefix, attributes={**LINES, "keep": ["vipNotes", "sku"], "cast": {"colour": "N"}})
    for table in (world.pool, world.silo):
        world.dynamo.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk", "color")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-color",
                    "KeySchema": [{"AttributeName": "color", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
    world.fill(world.pool, [world.item(1, tenant="tenant-4", color={"S": "red"})])
    wrong = world.item(90, colour={"S": "7"})
    world.fill(world.silo, [wrong])
    assert any("an index key of" in text and "with type S" in text for text, _ in blocks(going(world)))

    move, ledger = going(world), MemoryLedger()
    with running(move, Flow.FORWARD, ledger, ChannelState.SYNC) as channel:
        world.fill(world.silo, [world.item(number) for number in range(20)])
        copy_all(move, Flow.FORWARD, channel)
        assert "an index key of another type" in channel.refused()
        with pytest.raises(errors.Parked, match="an index key of another type"):
            channel.settle(patience=0.3)
        assert len(world.mine(world.pool)) == 20
        assert len(world.mine(world.silo)) == 21


def test_an_item_without_an_image_that_comes_while_the_run_goes_on_blocks_and_nothing_is_lost(prefix: str) -> None:
    world = made(prefix, LINES)
    refused(world, drifted(world, 90, color={"S": "blue"}), "it has colour and color")


def test_an_undeclared_attribute_that_comes_while_the_run_goes_on_blocks_where_the_pool_is_declared(
    prefix: str,
) -> None:
    world = made(prefix, {"pool": SHARED, **LINES})
    refused(world, drifted(world, 90, giftWrap={"BOOL": True}), "giftWrap")


def test_what_the_way_back_cannot_carry_blocks_it_and_the_old_side_stays_as_it_was(prefix: str) -> None:
    world = made(prefix, LINES)
    world.fill(world.silo, [drifted(world, number) for number in range(6)])
    move, ledger = going(world), MemoryLedger()
    copy_all(move, Flow.FORWARD)
    with running(move, Flow.REVERSE, ledger, ChannelState.SYNC) as back:
        world.fill(world.pool, [world.item(1, sku={"N": "12"})])
        until(lambda: back.counts()["unwritable"] == 1)
        with pytest.raises(errors.Parked, match="sku with type N"):
            back.settle(patience=0.3)
        assert sorted(world.mine(world.silo).values(), key=lambda one: one["sk"]["S"]) == [
            drifted(world, number) for number in range(6)
        ]
        world.fill(world.pool, [world.item(1, sku={"S": "12"})])
        back.settle(patience=20)
        (now,) = [item for item in world.mine(world.silo).values() if item["sk"] == {"S": "00001"}]
        assert now["sku"] == {"N": "12"}
