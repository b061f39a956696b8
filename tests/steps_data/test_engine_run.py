"""A whole run on DynamoDB Local: real tables, streams, channels and fence, and a tenant that writes all the time."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self, cast
from uuid import uuid4

import msgspec
import pytest

from portability import errors
from portability.aws.dynamodb import Dynamo
from portability.aws.session import Aws
from portability.engine.observer import silent
from portability.engine.route import Route
from portability.engine.runner import Options, Runner
from portability.engine.stop import Stop, SystemClock
from portability.engine.world import World as EngineWorld
from portability.journal.memory import MemoryJournal, MemoryTable
from portability.model.estate import Estate, Model
from portability.model.plan import Plan, Side, StoreMove
from portability.model.run import Header, RunView
from portability.model.status import Goal, RunState
from portability.retry import Retry
from portability.steps.base import Step
from portability.steps.catch_up import CatchUp, CatchUpWith
from portability.steps.copy_data import CopyData
from portability.steps.cut_over import CutOver, CutOverWith
from portability.steps.cutover.around import Around
from portability.steps.directory import STAMP
from portability.steps.open_channel import OpenChannel
from portability.steps.retire_source import RetireSource, RetireWith
from portability.steps.soak import Soak
from portability.steps.verify_data import VerifyData
from portability.stores.catalog import open_move
from portability.stores.dynamodb.wiring import Pace
from tests.steps_data.fake_aws import FakeS3, Gone
from tests.steps_data.run_plan import ESTATE, RUN, TENANT, Staged, plan
from tests.steps_data.run_world import _holder

PACE = Pace(idle=0.01, shards=0.5, positions=0.05)


class Tables:
    """Directory, mapping, pool and silo of one test."""

    def __init__(self, prefix: str, *, down: bool = False, adopt: bool = False) -> None:
        self.aws = Aws(region="us-east-1", read_only=False, retry=Retry(attempts=4, base=0.01, cap=0.1))
        self.dynamo = self.aws.dynamodb()
        described = {
            **ESTATE,
            "directory": {**ESTATE["directory"], "table": f"{prefix}-directory"},
            "stack_mapping": {"table": f"{prefix}-mapping"},
            "stores": {
                "Order": {
                    "pool": f"{prefix}-{{pool}}",
                    "silo": f"{prefix}-{{slug}}",
                    "partition_key": "pk",
                    "sort_key": "sk",
                    "tenant": {"pattern": "{tenant}-{suffix}", "suffixes": {"default": [1, 3]}},
                }
            },
        }
        self.estate = msgspec.convert(described, Estate)
        self.pool, self.silo = f"{prefix}-pooled", f"{prefix}-{TENANT}"
        pooled = Side(table=self.pool, model=Model.POOL, region="us-east-1")
        own = Side(table=self.silo, model=Model.SILO, region="us-east-1")
        up = plan(self.estate)
        self.plan: Plan = msgspec.structs.replace(
            up,
            source=up.target if down else up.source,
            target=up.source if down else up.target,
            stores=[
                StoreMove(
                    store="Order", source=own if down else pooled, target=pooled if down else own, adopt=adopt or down
                )
            ],
        )
        for table in (f"{prefix}-directory", f"{prefix}-mapping"):
            self._make(table, ("tenantId",))
        for table in (self.pool, self.silo):
            self._make(table, ("pk", "sk"))
        self.dynamo.put(
            self.estate.directory.table,
            {
                "tenantId": {"S": TENANT},
                "tenantTier": {"S": self.plan.source.tier},
                "dedicatedTenancy": {"S": "false"},
                "orderTable": {"S": self.plan.stores[0].source.table},
            },
        )
        self.journal = MemoryTable(self._transact)
        self.bucket = FakeS3()

    def _transact(self, items: Sequence[dict[str, Any]]) -> None:
        if items:
            self.dynamo.transact(items, token=uuid4().hex)

    def _make(self, table: str, keys: Sequence[str]) -> None:
        self.dynamo.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": name, "KeyType": kind} for name, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
            BillingMode="PAY_PER_REQUEST",
        )

    def items(self, table: str, *, tenant: str = TENANT) -> dict[tuple[str, str], str]:
        """The tenant's items by key, canaries left out."""
        found, start = {}, None
        while True:
            page = self.dynamo.scan(table, start=start)
            for item in page.items:
                if item["pk"]["S"].rpartition("-")[0] == tenant:
                    found[item["pk"]["S"], item["sk"]["S"]] = item["v"]["N"]
            start = page.next
            if start is None:
                return found


class Writer:
    """The tenant's application: a checked transaction where there is a stamp, a plain write where there is none."""

    def __init__(self, tables: Tables, number: int) -> None:
        self.tables, self.number = tables, number
        self.acked: dict[tuple[str, str], str | None] = {}
        self.accepted_at: list[float] = []
        self.refused = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._rng = random.Random(number)
        self.failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        dynamo = self.tables.aws.dynamodb(fresh=True)
        values = itertools.count(1)
        try:
            while not self._stop.wait(0.003):
                self._write(dynamo, str(next(values)))
        except BaseException as error:  # noqa: BLE001 - told to the test's thread
            self.failure = error

    def _write(self, dynamo: Dynamo, value: str) -> None:
        spec = self.tables.estate.directory
        record = dynamo.get(spec.table, {"tenantId": {"S": TENANT}})
        assert record is not None
        key = {
            "pk": {"S": f"{TENANT}-{self._rng.randint(1, 3)}"},
            "sk": {"S": f"w{self.number}-{self._rng.randint(1, 30)}"},
        }
        deletes = self._rng.random() < 0.2
        table = record["orderTable"]["S"]
        act: dict[str, Any] = (
            {"Delete": {"TableName": table, "Key": key}}
            if deletes
            else {"Put": {"TableName": table, "Item": {**key, "v": {"N": value}}}}
        )
        members = [act]
        if STAMP in record:
            members.append(
                {
                    "ConditionCheck": {
                        "TableName": spec.table,
                        "Key": {"tenantId": {"S": TENANT}},
                        "ConditionExpression": "#p.#e = :e AND #p.#f = :f",
                        "ExpressionAttributeNames": {"#p": STAMP, "#e": "epoch", "#f": "fenced"},
                        "ExpressionAttributeValues": {":e": record[STAMP]["M"]["epoch"], ":f": {"BOOL": False}},
                    }
                }
            )
        try:
            dynamo.transact(members, token=uuid4().hex)
        except (errors.ConditionFailed, errors.TransactionConflict):
            self.refused += 1
            return
        self.acked[key["pk"]["S"], key["sk"]["S"]] = None if deletes else value
        self.accepted_at.append(time.monotonic())

    @property
    def longest_pause(self) -> float:
        """Seconds between two accepted writes."""
        return max(later - earlier for earlier, later in itertools.pairwise(self.accepted_at))


def turn(tables: Tables, goal: Goal | None = None, options: Options | None = None, *, soak: str = "1s") -> RunView:
    """One turn of the command."""
    from portability.steps.soak import SoakWith

    stop = Stop()
    clock = SystemClock(stop)
    retry = Retry(attempts=6, base=0.01, cap=0.2)
    journal = MemoryJournal(tables.estate.journal, clock, retry, table=tables.journal, liveness=Gone())
    if journal.active(TENANT) is None:
        header = Header(run=RUN, tenant=TENANT, plan=tables.plan, operator="me", version="0")
        held = journal.start(header, _holder(), write_id="w1")
    else:
        held = journal.acquire(RUN, _holder())
    if goal is not None:
        from portability.model.status import Fact

        held.append(Fact.GOAL, {"goal": goal.value, "by": "me"})
    aws = Aws(region="us-east-1", read_only=False, look=held.look, retry=retry)
    aws.s3 = lambda **_where: tables.bucket  # type: ignore[method-assign,assignment]
    moves = [
        open_move(
            estate=tables.estate,
            plan_move=move,
            tenant=TENANT,
            aws=aws,
            clock=clock,
            retry=retry,
            rng=random.Random(1),
            pace=PACE,
        )
        for move in tables.plan.moving
    ]
    quiet = Around(carry=lambda _c, _f: {}, value_now=lambda _c, _a: None, switch_plan=lambda _c, _a: 0.0)
    steps: list[Any] = [
        Staged(),
        OpenChannel(),
        CopyData(),
        CatchUp(with_=CatchUpWith(window="100ms", patience="60s")),
        VerifyData(),
        CutOver(with_=CutOverWith(window="100ms", patience="60s"), around=quiet),
        Soak(with_=SoakWith(for_=soak, sample="200ms")),
        RetireSource(with_=RetireWith(patience="60s")),
    ]
    world = EngineWorld(aws=aws, moves=moves, clock=clock, retry=retry, rng=random.Random(5))
    route = Route(plan=tables.plan, steps=tuple(zip(tables.plan.steps, cast("list[Step]", steps), strict=True)))
    return Runner(
        held=held,
        plan=tables.plan,
        route=route,
        world=world,
        stop=stop,
        observer=silent,
        options=options or Options(),
    ).go()


@pytest.fixture
def tables(aws_env: None, prefix: str, request: pytest.FixtureRequest) -> Iterator[Tables]:
    kind = getattr(request, "param", "up")
    made = Tables(prefix, down=kind == "down", adopt=kind == "adopted")
    for number in range(200):
        made.dynamo.put(
            made.plan.stores[0].source.table,
            {"pk": {"S": f"{TENANT}-{number % 3 + 1}"}, "sk": {"S": f"old-{number}"}, "v": {"N": str(number)}},
        )
        made.dynamo.put(made.pool, {"pk": {"S": f"{TENANT}-1-2"}, "sk": {"S": f"n-{number}"}, "v": {"N": str(number)}})
    yield made
    for table in (made.estate.directory.table, f"{prefix}-mapping", made.pool, made.silo):
        if made.dynamo.describe(table) is not None:
            made.dynamo.delete_table(table)


def everything(writers: Sequence[Writer], tables: Tables) -> dict[tuple[str, str], str]:
    """What the tenant must find: what was there before, and every acknowledged write."""
    expected = {(f"{TENANT}-{number % 3 + 1}", f"old-{number}"): str(number) for number in range(200)}
    for writer in writers:
        expected |= {key: value for key, value in writer.acked.items() if value is not None}
    return expected


@pytest.mark.timeout(300)
def test_a_tenant_that_keeps_writing_goes_over_comes_back_goes_over_and_is_completed(tables: Tables) -> None:
    neighbour = tables.items(tables.pool, tenant=f"{TENANT}-1")
    assert len(neighbour) == 200
    with Writer(tables, 1) as one, Writer(tables, 2) as two:
        view = turn(tables)
        assert view.state is RunState.SOAKING
        first = view.step("cut-over").output
        time.sleep(0.5)
        view = turn(tables, Goal.REVERSE)
        assert view.state is RunState.REVERSED
        time.sleep(0.5)
        view = turn(tables, Goal.CUTOVER, Options(wait_soak=True))
        assert view.serving == "target"
    writers = (one, two)
    assert tables.items(tables.silo) == everything(writers, tables)
    assert all(writer.refused > 0 for writer in writers)
    assert 0 < first["pause_ms"] < 5000
    print(f"\npauses ms: {first}; longest seen by a writer {max(w.longest_pause for w in writers):.3f} s")
    view = turn(tables, Goal.COMPLETE)
    assert view.state is RunState.COMPLETED
    assert tables.items(tables.pool) == {}
    assert tables.items(tables.pool, tenant=f"{TENANT}-1") == neighbour
    assert tables.items(tables.silo) == everything(writers, tables)
    record = tables.dynamo.get(tables.estate.directory.table, {"tenantId": {"S": TENANT}})
    assert record is not None
    assert STAMP not in record
    assert view.step("retire-source").output["archive"]["counts"]["Order"] == len(everything(writers, tables))
    described = tables.dynamo.describe(tables.pool) or {}
    assert not (described.get("StreamSpecification") or {}).get("StreamEnabled", False)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tables", ("down",), indirect=True)
def test_a_cancelled_downgrade_leaves_the_pool_as_it_was_and_the_tenant_where_it_is(tables: Tables) -> None:
    neighbour = tables.items(tables.pool, tenant=f"{TENANT}-1")
    with Writer(tables, 1) as writer:
        with pytest.raises(errors.Parked):
            turn(tables, options=Options(postpone_cutover=True))
        assert tables.items(tables.pool) != {}
        view = turn(tables, Goal.CANCEL)
        assert view.state is RunState.UNWOUND
    assert tables.items(tables.pool) == {}
    assert tables.items(tables.pool, tenant=f"{TENANT}-1") == neighbour
    assert tables.items(tables.silo) == everything([writer], tables)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tables", ("down",), indirect=True)
def test_a_downgrade_under_writes_loses_nothing_and_touches_no_neighbour(tables: Tables) -> None:
    neighbour = tables.items(tables.pool, tenant=f"{TENANT}-1")
    with Writer(tables, 1) as writer:
        assert turn(tables).serving == "target"
        time.sleep(0.3)
    assert tables.items(tables.pool) == everything([writer], tables)
    turn(tables, Goal.COMPLETE)
    assert tables.items(tables.pool) == everything([writer], tables)
    assert tables.items(tables.pool, tenant=f"{TENANT}-1") == neighbour
    assert tables.dynamo.describe(tables.silo) is None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tables", ("adopted",), indirect=True)
def test_a_cancelled_upgrade_empties_an_adopted_table_and_leaves_it_there(tables: Tables) -> None:
    with Writer(tables, 1) as writer:
        with pytest.raises(errors.Parked):
            turn(tables, options=Options(postpone_cutover=True))
        assert tables.items(tables.silo) != {}
        assert turn(tables, Goal.CANCEL).state is RunState.UNWOUND
    assert tables.dynamo.scan(tables.silo).items == []
    assert tables.items(tables.pool) == everything([writer], tables)
