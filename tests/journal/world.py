"""What journal tests stand on: a clock by hand, holders that live or are gone, and a table that fails on command."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portability import errors
from portability.journal.held import HeldRun
from portability.journal.memory import MemoryTable
from portability.journal.runs import TableJournal
from portability.journal.table import Key, Member, Row, Table
from portability.journal.writer import Heartbeat
from portability.model.estate import Accounts, Directory, Estate, Identity, JournalTable, Model, StoreSpec, Tier
from portability.model.plan import Location, Plan
from portability.model.run import Header, Holder
from portability.retry import Retry

LEASE, BEAT = 60.0, 10.0
ELSEWHERE = "elsewhere"


class HandClock:
    """Time that moves when told to, or when somebody sleeps."""

    def __init__(self, at: float = 1_760_000_000.0) -> None:
        self.wall, self.mono = at, 100.0
        self.stopped = False
        self.while_asleep: Callable[[], object] = lambda: None

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def sleep(self, seconds: float, /) -> None:
        if not self.stopped:
            self.advance(seconds)
            self.while_asleep()

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


@dataclass
class Gone:
    """Liveness by name."""

    names: set[str] = field(default_factory=set)

    def gone(self, holder: Holder) -> bool:
        return holder.name in self.names


class Killed(BaseException):
    """The process died here."""


@dataclass
class Fault:
    """What happens to one call of `transact`, or to `times` of them: `acts` says whether it took effect."""

    error: Callable[[], BaseException]
    acts: bool = False
    late: bool = False  # it takes effect when `deliver` is called, if its conditions still hold
    times: int = 1


class FaultyTable:
    """A table whose calls fail on command; `calls` counts transactions. What is `late` waits for `deliver`."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.faults: dict[int, Fault] = {}
        self.calls = 0
        self.before: Callable[[int], object] = lambda _: None
        self.waiting: list[Callable[[], None]] = []

    def ensure(self) -> bool:
        return self.table.ensure()

    def check(self) -> None:
        self.table.check()

    def get(self, key: Key) -> Row | None:
        return self.table.get(key)

    def query(self, pk: str, prefix: str = "") -> list[Row]:
        return self.table.query(pk, prefix)

    def transact(self, members: Sequence[Member], *, token: str, foreign: Sequence[dict[str, Any]] = ()) -> None:
        self.calls += 1
        self.before(self.calls)
        fault = self.faults.get(self.calls)
        if fault is None:
            self.table.transact(members, token=token, foreign=foreign)
            return
        if fault.times > 1:
            self.faults[self.calls + 1] = Fault(fault.error, fault.acts, fault.late, fault.times - 1)
        if fault.acts:
            self.table.transact(members, token=token, foreign=foreign)
        if fault.late:
            # AWS forgets a token after ten minutes, and an aborted first copy never had one: what lands late is judged
            # by its conditions alone.
            late = f"late-{token}"[:36]
            self.waiting.append(lambda: self.table.transact(members, token=late, foreign=foreign))
        raise fault.error()

    def fail_next(self, fault: Fault) -> None:
        self.faults[self.calls + 1] = fault

    def deliver(self) -> list[type[BaseException] | None]:
        """Let everything that is late land; what came of each."""
        outcomes: list[type[BaseException] | None] = []
        for land in self.waiting:
            try:
                land()
                outcomes.append(None)
            except errors.ConditionFailed as refused:
                outcomes.append(type(refused))
        self.waiting = []
        return outcomes


def no_answer() -> BaseException:
    return errors.NoDefiniteAnswer("sent and not answered", operation="dynamodb.TransactWriteItems", aws_code="")


def unavailable() -> BaseException:
    return errors.Unavailable("500", operation="dynamodb.TransactWriteItems", aws_code="InternalServerError")


def throttled() -> BaseException:
    return errors.Throttled("slow down", operation="dynamodb.TransactWriteItems", aws_code="ThrottlingException")


def conflict() -> BaseException:
    return errors.TransactionConflict("busy", operation="dynamodb.TransactWriteItems", aws_code="TransactionConflict")


def endpoint_down() -> BaseException:
    return errors.EndpointDown("no connection", next="portability doctor")


def unauthorised() -> BaseException:
    return errors.Unauthorised("the signature's time was refused", next="set the clock")


class Foreign:
    """Tables that are not the journal's, in memory: Put, if absent where the write says so."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    def __call__(self, items: Sequence[dict[str, Any]]) -> None:
        puts = [item["Put"] for item in items]
        old = [self.items.get(put["Item"]["id"]["S"]) for put in puts]
        failed = ["ConditionExpression" in put and was is not None for put, was in zip(puts, old, strict=True)]
        if any(failed):
            raise errors.ConditionFailed(
                "refused",
                operation="memory",
                aws_code="TransactionCanceledException",
                old=[was if bad else None for was, bad in zip(old, failed, strict=True)],
                failed=failed,
            )
        for put in puts:
            self.items[put["Item"]["id"]["S"]] = put["Item"]


def memory_table() -> tuple[MemoryTable, Foreign]:
    foreign = Foreign()
    return MemoryTable(foreign), foreign


@dataclass
class World:
    """One journal table and what surrounds it; `process` is another process over it."""

    table: FaultyTable
    elsewhere: Callable[[str], dict[str, Any] | None]  # what a foreign write left under an id
    remove_elsewhere: Callable[[str], object]
    elsewhere_table: str = ELSEWHERE
    clock: HandClock = field(default_factory=HandClock)
    liveness: Gone = field(default_factory=Gone)
    counter: itertools.count[int] = field(default_factory=itertools.count)
    names: random.Random = field(default_factory=random.Random)

    def process(
        self,
        *,
        heartbeat: Heartbeat = "hand",
        clock: HandClock | None = None,
        lease: str = "60s",
        beat: str = "10s",
        attempts: int = 8,
    ) -> TableJournal:
        clock = clock or self.clock
        return TableJournal(
            self.table,
            JournalTable(table="journal", lease=lease, beat=beat),
            clock,
            Retry(attempts=attempts, sleep=clock.sleep, rng=random.Random(7)),
            liveness=self.liveness,
            heartbeat=heartbeat,
        )

    def run_id(self) -> str:
        return f"r-{self.names.getrandbits(64):016x}"

    def start(
        self, journal: TableJournal | None = None, *, run: str | None = None, tenant: str | None = None, by: str = "ana"
    ) -> HeldRun:
        run = run or self.run_id()
        held = (journal or self.process()).start(header(run, tenant or f"t-{run}"), holder(by), write_id=f"w-{run}")
        assert isinstance(held, HeldRun)
        return held

    def acquire(self, run: str, by: str = "bo", *, journal: TableJournal | None = None, wait: float = 0.0) -> HeldRun:
        held = (journal or self.process()).acquire(run, holder(by), wait=wait)
        assert isinstance(held, HeldRun)
        return held

    def put_elsewhere(self, name: str, *, if_absent: bool = True) -> dict[str, Any]:
        """A foreign write."""
        put: dict[str, Any] = {"TableName": self.elsewhere_table, "Item": {"id": {"S": name}, "n": {"N": "1"}}}
        if if_absent:
            put |= {
                "ConditionExpression": "attribute_not_exists(id)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        return {"Put": put}


def holder(name: str, *, host: str = "host-a", boot: str = "boot-a", pid: int = 4242) -> Holder:
    return Holder(name=f"{name}@{host}", host=host, boot=boot, namespace="pid:[1]", pid=pid, started="77")


def header(
    run: str, tenant: str = "tenant-42", *, digest: str | None = None, facts: Mapping[str, Any] | None = None
) -> Header:
    basic = Tier(model=Model.POOL)
    premium = Tier(model=Model.SILO, identity=Identity.SILO)
    estate = Estate(
        apiVersion="portability/v1",
        kind="Estate",
        accounts=Accounts(allowed=["123456789012"], regions=["us-east-1"]),
        journal=JournalTable(table="portability-journal"),
        directory=Directory(table="Directory"),
        tiers={"basic": basic, "premium": premium},
        stores={"Order": StoreSpec(pool="Order-pooled", silo="Order-{slug}", partition_key="shardId")},
    )
    plan = Plan(
        tenant=tenant,
        source=Location(
            tier="basic", placement="default", model=Model.POOL, identity=Identity.POOL, region="us-east-1"
        ),
        target=Location(
            tier="premium", placement="default", model=Model.SILO, identity=Identity.SILO, region="us-east-1"
        ),
        recipe="pool-to-silo",
        steps=[],
        stores=[],
        estate=estate,
        account="123456789012",
        facts=dict(facts or {"Order": {"keys": ["shardId", "orderId"], "bytes": 0}}),
        digest=digest or f"digest-{run}",
    )
    return Header(run=run, tenant=tenant, plan=plan, operator="ana", version="0.1.0", at=1_760_000_000.0)


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run all at the same instant on threads; the results, an exception standing for itself."""
    barrier = threading.Barrier(len(calls))
    results: list[object] = [None] * len(calls)

    def one(number: int, call: Callable[[], object]) -> None:
        barrier.wait()
        try:
            results[number] = call()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[number] = error

    threads = [threading.Thread(target=one, args=(number, call)) for number, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class RealClock:
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    def sleep(self, seconds: float, /) -> None:
        time.sleep(seconds)


def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(400):
        if holds():
            return True
        time.sleep(0.005)
    return False
