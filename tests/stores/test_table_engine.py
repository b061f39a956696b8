"""Tables and figures: provisioning, findings, estimates, archives, erasure; the control plane on moto."""

import base64
import json
import time
from typing import Any

import pytest

from portability import errors
from portability.aws.dynamodb import Dynamo
from portability.model.change import Change
from portability.stores.base import Flow
from portability.stores.dynamodb import digest, provision
from portability.stores.dynamodb.provision import RUN_TAG, TENANT_TAG
from tests.stores import faults
from tests.stores.faults import Faulty
from tests.stores.world import REGION, QuickClock, World, copy_all, until


@pytest.fixture
def world(aws_env: None, prefix: str) -> World:
    world = World(prefix)
    world.make(world.pool)
    return world


@pytest.fixture
def on_moto(aws_env: None, moto: str, monkeypatch: pytest.MonkeyPatch, prefix: str) -> World:
    """A world whose tables are on moto, which has tags and PITR."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", moto)
    world = World(prefix, ttl="expires")
    client = world.aws._client("dynamodb", REGION, None)
    client.create_table(
        TableName=world.pool,
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("sk", "S"), ("n", "N"))
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-n",
                "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["value"]},
                "ProvisionedThroughput": {"ReadCapacityUnits": 7, "WriteCapacityUnits": 8},
            }
        ],
        LocalSecondaryIndexes=[
            {
                "IndexName": "local",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        Tags=[{"Key": "team", "Value": "orders"}],
    )
    world.dynamo.enable_ttl(world.pool, "expires")
    world.dynamo.enable_pitr(world.pool)
    return world


class Intents:
    """What `Context.intend` answers: what the first record of a change says."""

    def __init__(self) -> None:
        self.first: dict[tuple[str, str, str], bool] = {}

    def __call__(self, change: Change, existed: bool) -> bool:
        return self.first.setdefault(change.identity, existed)


# ------------------------------------------------------------------------------------------------------------ provision


def test_a_clone_is_made_as_the_pool_is_and_tagged_with_its_run(on_moto: World) -> None:
    world, intents = on_moto, Intents()
    move = world.move()
    planned = move.provisioning()
    assert [(change.sign, change.name) for change in planned] == [("+", world.silo)]
    assert planned[0].detail == f"as {world.pool}: 1 GSI, 1 LSI, TTL, provisioned, PITR"
    move.provision(run="r-1", intend=intents)
    assert list(intents.first) == [change.identity for change in planned]
    facts = move.facts()
    assert facts["target"] == facts["source"]
    made: Any = world.dynamo.describe(world.silo)
    assert made["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["WriteCapacityUnits"] == 8
    assert made["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    assert world.dynamo.tags(made["TableArn"]) == {"team": "orders", RUN_TAG: "r-1", TENANT_TAG: world.tenant}
    assert [change.sign for change in move.provisioning()] == ["="]
    move.provision(run="r-1", intend=intents)
    move.provision(run="r-1", intend=lambda change, existed: None)


@pytest.mark.parametrize("lands", (True, False))
def test_a_table_whose_creation_is_not_answered_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch, lands: bool
) -> None:
    real, left = Dynamo.create_table, 3

    def create_table(self: Dynamo, **request: Any) -> Any:
        nonlocal left
        left -= 1
        if left > 0:
            if lands and left == 2:
                real(self, **request)
            raise faults.no_answer()
        return real(self, **request)

    monkeypatch.setattr(Dynamo, "create_table", create_table)
    monkeypatch.setattr(provision, "PATIENCE", 5.0)
    world.move(clock=QuickClock()).provision(run="r-1", intend=Intents())
    assert world.dynamo.describe(world.silo) is not None
    assert left == 0


def test_a_table_of_another_run_is_neither_taken_nor_deleted(on_moto: World) -> None:
    world = on_moto
    world.move().provision(run="r-1", intend=Intents())
    with pytest.raises(errors.PreflightRefused, match="not made by this run"):
        world.move().provision(run="r-2", intend=Intents())
    world.move().unprovision(run="r-2", created=True)
    world.move().unprovision(run="r-1", created=False)
    assert world.dynamo.describe(world.silo) is not None
    world.move().unprovision(run="r-1", created=True)
    assert world.dynamo.describe(world.silo) is None
    world.move().unprovision(run="r-1", created=True)


def test_an_adopted_target_must_be_there_and_alike(on_moto: World) -> None:
    world = on_moto
    move = world.move(clone=False)
    assert [change.sign for change in move.provisioning()] == ["!"]
    with pytest.raises(errors.PreflightRefused, match="not there"):
        move.provision(run="r-1", intend=Intents())
    world.make(world.silo)
    with pytest.raises(errors.PreflightRefused, match="index by-n is missing"):
        move.provision(run="r-1", intend=Intents())
    move.unprovision(run="r-1", created=True)
    assert world.dynamo.describe(world.silo) is not None


def test_without_tags_a_repeat_knows_its_own_table_by_its_record_or_because_nobody_used_it(world: World) -> None:
    intents = Intents()
    world.move().provision(run="r-1", intend=intents)
    world.move().provision(run="r-1", intend=lambda change, existed: None)
    world.fill(world.silo, [world.item(1)])
    world.move().provision(run="r-1", intend=intents)
    with pytest.raises(errors.PreflightRefused, match="not made by this run"):
        world.move().provision(run="r-2", intend=Intents())


# ------------------------------------------------------------------------------------------------------------- findings


def blocks(world: World, **move: Any) -> list[str]:
    return [finding.text for finding in world.move(**move).findings() if finding.level == "block"]


def test_nothing_stands_in_the_way_of_a_clean_move(world: World) -> None:
    found = world.move().findings()
    assert [finding.level for finding in found] == ["ok"]


@pytest.mark.parametrize("suffix", (0, 4))
def test_items_one_beyond_the_range_block(world: World, suffix: int) -> None:
    world.fill(world.pool, [{"pk": {"S": f"tenant-42-{suffix}"}, "sk": {"S": "1"}}])
    assert any(f"suffix {suffix}" in text for text in blocks(world))


def test_a_target_that_is_there_and_not_ours_blocks(world: World) -> None:
    world.make(world.silo)
    assert any("not made by a run" in text for text in blocks(world))
    assert blocks(world, clone=False) == []
    world.fill(world.silo, [world.item(1)])
    assert any("not empty" in text for text in blocks(world, clone=False))


def test_items_of_the_tenant_in_the_pool_it_goes_to_block_and_neighbours_do_not(world: World) -> None:
    world.make(world.silo)
    world.settle_neighbours(world.pool)
    assert blocks(world, source=world.silo, target=world.pool, clone=False) == []
    world.fill(world.pool, [world.item(1)])
    assert any("collide" in text for text in blocks(world, source=world.silo, target=world.pool, clone=False))


def test_a_source_that_is_not_there_or_is_keyed_otherwise_blocks(aws_env: None, prefix: str) -> None:
    world = World(prefix, sort_key=None)
    assert any("not there" in text for text in blocks(world))
    world.make(world.pool)
    keyed = World(prefix)
    assert any("keyed by" in text for text in blocks(keyed))


def test_an_index_that_is_not_there_blocks(aws_env: None, prefix: str) -> None:
    plain = World(prefix, pattern="T#{tenant}#{rest}")
    plain.make(plain.pool)
    indexed = World(prefix, pattern="T#{tenant}#{rest}", gsi=True)
    assert any("no index by-tenant" in text for text in blocks(indexed))


def test_a_stack_owned_table_whose_stream_is_off_blocks_unless_acknowledged(on_moto: World) -> None:
    world = on_moto
    described: Any = world.dynamo.describe(world.pool)
    world.aws._client("dynamodb", REGION, None).tag_resource(
        ResourceArn=described["TableArn"], Tags=[{"Key": "aws:cloudformation:stack-name", "Value": "stack-pooled"}]
    )
    assert any("belongs to stack stack-pooled" in text for text in blocks(world))


# ------------------------------------------------------------------------------------------------------------- figures


@pytest.mark.parametrize("pattern", ("{tenant}-{suffix}", "{tenant}", "T#{tenant}#{rest}"))
def test_a_small_tenant_is_estimated_exactly(aws_env: None, prefix: str, pattern: str) -> None:
    world = World(prefix, pattern=pattern)
    world.make(world.pool)
    world.settle_neighbours(world.pool)
    items = [world.item(number) for number in range(60)]
    world.fill(world.pool, items)
    guess, whole = world.move().estimate(exact=False), world.move().estimate(exact=True)
    assert (guess.items, guess.bytes, guess.exact) == (whole.items, whole.bytes, True)
    assert whole.items == 60
    assert whole.bytes == sum(map(digest.size_of, items))
    assert 0 < guess.rcu < 200


def test_an_estimate_keeps_to_its_budget_and_says_that_it_guesses(aws_env: None, prefix: str) -> None:
    world = World(prefix, pattern="{tenant}")
    world.make(world.pool)
    world.fill(world.pool, [world.item(number, filler={"S": "x" * 20_000}) for number in range(200)])
    guess = world.move().estimate(exact=False)
    assert not guess.exact
    assert guess.rcu <= 200
    assert 50 <= guess.items <= 200


def test_an_archive_is_every_item_of_the_tenant_as_dynamodb_json(world: World) -> None:
    world.settle_neighbours(world.pool)
    items = [world.item(number, blob={"B": b"\x00\xff"}, tags={"SS": ["b", "a"]}) for number in range(20)]
    world.fill(world.pool, items)
    lines = [json.loads(line) for line in world.move().archive(Flow.FORWARD)]
    assert len(lines) == 20
    assert {line["sk"]["S"] for line in lines} == {item["sk"]["S"] for item in items}
    assert base64.b64decode(lines[0]["blob"]["B"]) == b"\x00\xff"
    assert lines[0]["tags"] == {"SS": ["a", "b"]}


# ------------------------------------------------------------------------------------------------------------- erasing


@pytest.mark.parametrize("gsi", (False, True))
def test_erasing_a_pool_leaves_every_neighbours_byte(aws_env: None, prefix: str, gsi: bool) -> None:
    world = World(prefix, pattern="TENANT#{tenant}#{rest}" if gsi else "{tenant}-{suffix}", gsi=gsi)
    world.make(world.pool)
    world.settle_neighbours(world.pool)
    before = world.others(world.pool)
    world.fill(world.pool, [world.item(number) for number in range(90)])
    asked: list[int] = []
    assert world.move().erase(Flow.FORWARD, guard=lambda: asked.append(1)) == 90
    assert world.mine(world.pool) == {}
    assert world.others(world.pool) == before
    assert len(asked) >= 4, "asked before every batch"
    assert world.move().erase(Flow.FORWARD, guard=lambda: None) == 0


def test_an_erasure_stops_where_its_guard_says_so(world: World) -> None:
    world.fill(world.pool, [world.item(number) for number in range(0, 180, 3)])
    asked: list[int] = []

    def guard() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise errors.LeaseLost("gone", next="portability status")

    with pytest.raises(errors.LeaseLost):
        world.move().erase(Flow.FORWARD, guard=guard)
    assert len(world.mine(world.pool)) == 35


def test_an_erasure_of_what_is_written_meanwhile_does_not_claim_to_be_done(world: World) -> None:
    world.fill(world.pool, [world.item(0)])
    asked: list[int] = []

    def guard() -> None:
        asked.append(1)
        world.fill(world.pool, [world.item(3 * len(asked))])

    with pytest.raises(errors.StepFailed, match="still written to") as raised:
        world.move().erase(Flow.FORWARD, guard=guard)
    assert world.mine(world.pool)
    assert raised.value.changed == f"{len(asked)} items of tenant-42 were deleted."


def test_an_adopted_table_is_emptied_and_stays(world: World) -> None:
    world.make(world.silo)
    world.fill(world.silo, [world.item(number) for number in range(40)])
    assert world.move().erase(Flow.REVERSE, guard=lambda: None, keep_table=True) == 40
    assert world.dynamo.describe(world.silo) is not None
    assert world.mine(world.silo) == {}


class Dozing(QuickClock):
    """A stop comes while somebody sleeps long, and cuts this sleep short and every later one."""

    stopped = False

    def sleep(self, seconds: float) -> None:
        self.stopped = self.stopped or seconds > 0.3
        time.sleep(min(seconds, 0.05))


def test_a_stop_is_heard_while_a_late_deletion_is_waited_out(world: World) -> None:
    world.fill(world.pool, [world.item(number) for number in range(20)])
    clock = Dozing()

    def guard() -> None:
        if clock.stopped:
            raise errors.Parked("stopped", reason="signal", next=errors.AGAIN)

    move = world.move(wrap=lambda dynamo: Faulty(dynamo, faults.lost), horizon=5.0, clock=clock)
    with pytest.raises(errors.Parked):
        move.erase(Flow.FORWARD, guard=guard)
    assert world.mine(world.pool) == {}, "it was the waiting that was cut short"


def test_a_late_deletion_is_waited_out_whole_by_a_clock_that_wakes_early(world: World) -> None:
    world.fill(world.pool, [world.item(number) for number in range(20)])
    began = time.monotonic()
    move = world.move(wrap=lambda dynamo: Faulty(dynamo, faults.lost), horizon=0.8)
    move.erase(Flow.FORWARD, guard=lambda: None)
    assert time.monotonic() - began >= 0.8


def test_erasing_a_silo_deletes_the_table_unless_a_stranger_is_in_it(world: World) -> None:
    world.make(world.silo)
    world.fill(world.silo, [world.item(number) for number in range(10)])
    stranger = world.item(1, tenant="tenant-4")
    world.fill(world.silo, [stranger])
    with pytest.raises(errors.Mismatch):
        world.move().erase(Flow.REVERSE, guard=lambda: None)
    world.dynamo.batch_write(world.silo, [], [world.key(stranger)])
    assert world.move().erase(Flow.REVERSE, guard=lambda: None) == 10
    assert world.dynamo.describe(world.silo) is None
    assert world.move().erase(Flow.REVERSE, guard=lambda: None) == 0


def test_pages_are_written_side_by_side_while_workers_are_open(world: World) -> None:
    world.make(world.silo)
    world.fill(world.pool, [world.item(number) for number in range(300)])
    move = world.move()
    with move.workers(2):
        assert copy_all(move, Flow.FORWARD) == 300
    world.assert_equal(world.pool, world.silo)
    until(lambda: move._writers is None)
