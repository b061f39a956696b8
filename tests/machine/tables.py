"""The same story on DynamoDB Local: real tables, streams, channels, transactions, and a journal in a table of its own.

A call of a process that changes something is a moment: there it is killed, refused or asked to stop, and there the
application writes. Guardians are in process; everything else of the engine, the steps and the store is the product's.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import uuid
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from portability import errors
from portability.aws.session import Aws
from portability.cli.wiring import Desk
from portability.engine.observer import silent
from portability.engine.route import Route
from portability.engine.runner import Options, Runner
from portability.engine.stop import Stop, SystemClock
from portability.engine.world import World as EngineWorld
from portability.journal.base import Held
from portability.journal.dynamodb import DynamoJournal
from portability.model.estate import Estate, Model
from portability.model.plan import Plan, Side, StoreMove
from portability.model.run import Entry, Holder, RunView
from portability.model.status import Fact
from portability.retry import Retry
from portability.steps.base import Context, Step
from portability.steps.catch_up import CatchUp, CatchUpWith
from portability.steps.copy_data import CopyData, CopyWith
from portability.steps.cut_over import CutOver, CutOverWith
from portability.steps.cutover.around import Around
from portability.steps.directory import STAMP, DirectoryTable
from portability.steps.guardian.abort import abort
from portability.steps.open_channel import OpenChannel
from portability.steps.retire_source import RetireSource, RetireWith
from portability.steps.soak import Soak, SoakWith
from portability.steps.verify_data import VerifyData
from portability.stores.catalog import open_move
from portability.stores.dynamodb.wiring import Pace
from tests.machine.trouble import Kill, Park, Refuse, Trouble, Unheard, refusal
from tests.machine.verbs import VERBS, Said
from tests.steps_data.fake_aws import FakeS3, Gone
from tests.steps_data.run_plan import ESTATE, TENANT, Staged, plan
from tests.steps_data.run_world import Killed

PACE = Pace(idle=0.01, shards=0.5, positions=0.05)
NEIGHBOUR = f"{TENANT}-1"
"""A tenant whose keys begin as ours do."""

Key = tuple[str, str]


class Tables:
    """The world of one example: the tables of `prefix`. `truth` is the ledger outside the system."""

    def __init__(self, prefix: str, seed: int, items: int) -> None:
        self.prefix, self.seed = prefix, seed
        self.aws = Aws(region="us-east-1", read_only=False, retry=Retry(attempts=6, base=0.01, cap=0.1))
        self.dynamo = self.aws.dynamodb()
        self.estate = _estate(prefix)
        self.pool, self.silo = f"{prefix}-pooled", f"{prefix}-{TENANT}"
        self.names = [self.estate.directory.table, f"{prefix}-mapping", self.pool, self.silo]
        for table, keys in zip(self.names, (("tenantId",), ("tenantId",), ("pk", "sk"), ("pk", "sk")), strict=True):
            self._make(table, keys)
        record = {"tenantTier": "basic", "dedicatedTenancy": "false", "orderTable": self.pool, "tenantId": TENANT}
        self.dynamo.put(self.names[0], {name: {"S": value} for name, value in record.items()})
        self.clock = SystemClock(Stop())
        self.journal = self.journal_of(self.aws, self.clock)
        self.journal.create()
        self.bucket = FakeS3()
        self.rng = random.Random(seed)
        self.truth: dict[Key, str] = {}
        self.values, self.pids = itertools.count(1), itertools.count(1)
        self.lock = threading.RLock()
        self.run, self.broken = "", list[str]()
        self.slips: dict[str, int] = {}
        self.foul = self.slipped = False
        for number in range(items):
            self.write(number)
            self._put(NEIGHBOUR, number)
        self.before = self.items(self.pool, NEIGHBOUR)

    def close(self) -> None:
        for table in [*self.names, self.estate.journal.table]:
            with contextlib.suppress(errors.NotFound):
                self.dynamo.delete_table(table)

    def journal_of(self, aws: Aws, clock: SystemClock) -> DynamoJournal:
        """The journal as a process sees it: every earlier one is certainly gone."""
        spec = self.estate.journal
        return DynamoJournal(aws.dynamodb(), spec, clock, Retry(attempts=6, base=0.01, cap=0.2), liveness=Gone())

    def next_plan(self) -> Plan:
        """The plan of a run."""
        pooled = Side(table=self.pool, model=Model.POOL, region="us-east-1")
        own = Side(table=self.silo, model=Model.SILO, region="us-east-1")
        move = StoreMove(store="Order", source=pooled, target=own, adopt=True)
        return msgspec.structs.replace(plan(self.estate), stores=[move], made=uuid.uuid4().hex)

    # ------------------------------------------------------------------------------------------------- the application

    def write(self, key: int, *, deletes: bool = False) -> None:
        """One write: in a transaction with a check of the stamp's epoch where there is one."""
        with self.lock:
            record, value = self.record, str(next(self.values))
            where = {"pk": {"S": f"{TENANT}-{key % 2 + 1}"}, "sk": {"S": f"o-{key}"}}
            table = record["orderTable"]["S"]
            act: dict[str, Any] = {"Put": {"TableName": table, "Item": {**where, "v": {"N": value}}}}
            members = [{"Delete": {"TableName": table, "Key": where}} if deletes else act]
            if STAMP in record:
                members.append({"ConditionCheck": self._check(record[STAMP]["M"]["epoch"])})
            try:
                self.dynamo.transact(members, token=uuid.uuid4().hex)
            except (errors.ConditionFailed, errors.TransactionConflict):
                return
            self.truth.pop((where["pk"]["S"], where["sk"]["S"]), None)
            if not deletes:
                self.truth[where["pk"]["S"], where["sk"]["S"]] = value

    def _check(self, epoch: Mapping[str, str]) -> dict[str, Any]:
        return {
            "TableName": self.estate.directory.table,
            "Key": {"tenantId": {"S": TENANT}},
            "ConditionExpression": "#p.#e = :e AND #p.#f = :f",
            "ExpressionAttributeNames": {"#p": STAMP, "#e": "epoch", "#f": "fenced"},
            "ExpressionAttributeValues": {":e": epoch, ":f": {"BOOL": False}},
        }

    def _put(self, tenant: str, number: int) -> None:
        item = {"pk": {"S": f"{tenant}-{number % 2 + 1}"}, "sk": {"S": f"n-{number}"}, "v": {"N": str(number)}}
        self.dynamo.put(self.pool, item)

    def _make(self, table: str, keys: tuple[str, ...]) -> None:
        self.dynamo.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": name, "KeyType": kind} for name, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
            BillingMode="PAY_PER_REQUEST",
        )

    # ------------------------------------------------------------------------------------------------------ both sides

    @property
    def record(self) -> dict[str, Any]:
        found = self.dynamo.get(self.estate.directory.table, {"tenantId": {"S": TENANT}})
        assert found is not None
        return found

    @property
    def serving(self) -> str:
        return "target" if self.record["orderTable"]["S"] == self.silo else "source"

    @property
    def fenced(self) -> bool:
        stamp = self.record.get(STAMP)
        return stamp is not None and bool(stamp["M"]["fenced"]["BOOL"])

    def items(self, table: str, tenant: str = TENANT) -> dict[Key, str]:
        """A tenant's items by key."""
        found = [item for item in self.dynamo.scan(table).items if item["pk"]["S"].rpartition("-")[0] == tenant]
        return {(item["pk"]["S"], item["sk"]["S"]): item["v"]["N"] for item in found}

    # ------------------------------------------------------------------------------------------------------- at rest

    def process(self, trouble: Trouble, host: str) -> TableTurn:
        return TableTurn(self, trouble)

    def look(self) -> None:
        there = self.items(self.silo if self.serving == "target" else self.pool)
        if there != self.truth:
            wrong = sorted(key for key in {*there, *self.truth} if there.get(key) != self.truth.get(key))
            self.broken.append(f"I1: the {self.serving} serves and is wrong about {wrong}")

    def settle(self) -> None:
        """Nothing is on its way."""

    @property
    def flipped_times(self) -> int:
        told = sum(entry.fact is Fact.FLIPPED for entry in self.entries())
        return told if (self.serving == "target") == bool(told % 2) else told + 1

    def open(self) -> bool:
        active = self.journal.active(TENANT)
        self.run = active or self.run
        return active is not None

    def view(self) -> RunView:
        return self.journal.view(self.run)

    def entries(self) -> list[Entry]:
        return self.journal.entries(self.run)

    def verified(self) -> int:
        return self.journal.verify(self.run)

    def neighbours_untouched(self) -> bool:
        return self.items(self.pool, NEIGHBOUR) == self.before

    def inventoried(self) -> bool:
        copies = self.open() and self.serving == "source" and self.items(self.silo)
        return not copies or any(change.kind == "copy" for change, _ in self.view().intents())

    def left_behind(self) -> str:
        if STAMP in self.record:
            return "the stamp is still on the directory record"
        if left := self.items(self.pool if self.serving == "target" else self.silo):
            return f"the side that does not serve still holds {sorted(left)}"
        kept = self.journal.parked_counts(self.run)
        return f"the journal still keeps keys: {kept}" if kept else ""


class TableTurn:
    """One process over the tables."""

    def __init__(self, tables: Tables, trouble: Trouble) -> None:
        self.tables, self.trouble = tables, trouble
        self.traps: list[str] = []
        self.said, self.drove, self.dead, self.lost = "", False, False, False
        self.error: errors.PortabilityError | None = None
        self.stop = Stop()
        self.clock = SystemClock(self.stop)
        self.retry = Retry(attempts=4, base=0.005, cap=0.05)
        self.pid = next(tables.pids)
        self.count = self.struck = 0
        self.armed: int | None = None
        self.held: Held | None = None
        self.lock = threading.Lock()
        self.aws = Aws(region="us-east-1", read_only=False, look=self._look, retry=self.retry)
        self.aws.s3 = lambda **_where: tables.bucket  # type: ignore[method-assign,assignment]

    def run(self, verb: str) -> RunView | None:
        """Say the verb; the run as it rests then, None where the command did not end well."""
        view = None
        try:
            view = VERBS[verb](Said(self.desk(), self.tables, 0.0))
            self.said = "done"
        except Killed:
            self.said = "killed"
        except errors.PortabilityError as error:
            self.said, self.error = f"{type(error).__name__}: {error.what}", error
        finally:
            self._left()
        return view

    def _look(self) -> None:
        """Between signing and sending of whatever changes something."""
        if self.dead:
            raise Killed
        if self.tables.rng.random() < 0.2:
            self.tables.write(self.tables.rng.randrange(8), deletes=self.tables.rng.random() < 0.2)
        if self.held is not None:
            self.held.look()
        with self.lock:
            number, self.count = self.count, self.count + 1
            trouble = self.trouble
            struck = 0 <= trouble.at <= number and self.struck < (trouble.times if isinstance(trouble, Refuse) else 1)
            self.struck += struck
        if struck:
            self._strike(trouble, number)

    def _strike(self, trouble: Trouble, number: int) -> None:
        self.traps.append(f"call {number}")
        match trouble:
            case Kill():
                self.dead = True
                raise Killed
            case Refuse():
                raise refusal(trouble.error, "any")
            case Unheard():
                raise errors.NoDefiniteAnswer("no answer", operation="any", aws_code="ReadTimeout")
            case Park():
                self.stop.request(trouble.signal)

    def desk(self) -> Desk:
        holder = Holder(name="me@here", host="here", boot="b", namespace="n", pid=self.pid, started="1")
        parts = SimpleNamespace(
            journal=self.tables.journal_of(self.aws, self.clock),
            holder=holder,
            operator="me",
            clock=self.clock,
            rng=self.tables.rng,
            estate=self.tables.estate,
            stop=self.stop,
            runner=self.runner,
        )
        return cast("Desk", parts)

    def runner(self, held: Held, options: Options, observer: Any) -> Runner:
        """The engine over this process's clients."""
        self.held, self.drove = held, True
        planned = held.view().header.plan
        moves = [
            open_move(
                estate=self.tables.estate,
                plan_move=move,
                tenant=TENANT,
                aws=self.aws,
                clock=self.clock,
                retry=self.retry,
                rng=random.Random(self.pid),
                pace=PACE,
            )
            for move in planned.moving
        ]
        steps = self._steps()
        world = EngineWorld(
            aws=self.aws,
            moves=moves,
            clock=self.clock,
            retry=self.retry,
            rng=random.Random(self.pid),
        )
        route = Route(plan=planned, steps=tuple(zip(planned.steps, steps, strict=True)))
        return Runner(
            held=held, plan=planned, route=route, world=world, stop=self.stop, observer=silent, options=options
        )

    def _steps(self) -> list[Step]:
        quiet = Around(carry=lambda _c, _f: {}, value_now=lambda _c, _a: None, switch_plan=lambda _c, _a: 0.0)
        cut = CutOverWith(window="50ms", patience="20s")
        made: list[Any] = [
            Staged(),
            OpenChannel(),
            CopyData(with_=CopyWith(workers=2)),
            CatchUp(with_=CatchUpWith(window="50ms", patience="20s")),
            VerifyData(),
            CutOver(with_=cut, around=quiet, beside=self._beside),
            Soak(with_=SoakWith(for_="200ms", sample="100ms")),
            RetireSource(with_=RetireWith(patience="20s")),
        ]
        return cast("list[Step]", made)

    @contextlib.contextmanager
    def _beside(self, _ctx: Context, _budget: float) -> Iterator[Any]:
        def arm(epoch: int) -> None:
            self.armed = epoch

        def leave() -> None:
            self.armed = None

        yield SimpleNamespace(ready=_nothing, arm=arm, check=_nothing, leave=leave)

    def _left(self) -> None:
        """The process is gone, and its guardian acts."""
        if self.held is not None:
            self.held.abandon()
        if self.armed is not None:
            abort(DirectoryTable(self.tables.estate, self.tables.dynamo), TENANT, self.tables.run, self.armed)


def _nothing() -> None:
    """Nothing to ask of a guardian in process."""


def _estate(prefix: str) -> Estate:
    return msgspec.convert(
        {
            **ESTATE,
            "journal": {"table": f"{prefix}-journal", "horizon": "300ms"},
            "directory": {**ESTATE["directory"], "table": f"{prefix}-directory", "cache": "20ms"},
            "stack_mapping": {"table": f"{prefix}-mapping"},
            "fence": {**ESTATE["fence"], "tripwire": "300ms"},
            "stores": {
                "Order": {
                    "pool": f"{prefix}-{{pool}}",
                    "silo": f"{prefix}-{{slug}}",
                    "partition_key": "pk",
                    "sort_key": "sk",
                    "tenant": {"pattern": "{tenant}-{suffix}", "suffixes": {"default": [1, 2]}},
                }
            },
        },
        Estate,
    )
