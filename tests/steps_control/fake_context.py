"""A run in memory with the real interface: entries are folded by the real tables, so an illegal one fails the test.

`Run` is what outlives a process; `Run.context(step)` is what one process has. Take a new context to play a resume.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import msgspec

from portability.aws.session import Aws
from portability.model.change import Change
from portability.model.estate import Estate
from portability.model.plan import Plan
from portability.model.run import Cursor, Entry, Header, RunView, Throughput, Tuning, advance
from portability.model.status import Fact, Status
from portability.retry import Retry
from portability.steps.base import Context, Output, Step
from portability.stores.base import Flow, Horizon, Ledger, Move


class FakeClock:
    """Time that moves only when somebody sleeps, or asks for it a little."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        self.at += 0.001
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def quick_retry() -> Retry:
    """Three attempts, no waiting."""
    return Retry(attempts=3, base=0.0, sleep=lambda _: None, rng=random.Random(1))


@dataclass
class Run:
    """The journal of one run."""

    plan: Plan
    run: str = "r-01TEST0000000000000000000"
    view: RunView = field(init=False)
    entries: list[Entry] = field(default_factory=list)
    cursors: dict[str, dict[str, Cursor]] = field(default_factory=dict)
    uses: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.view = RunView(
            header=Header(run=self.run, tenant=self.plan.tenant, plan=self.plan, operator="tester", version="0")
        )
        self.append(Fact.RUN_STARTED, {"goal": "migrate"})

    def append(self, fact: Fact, data: Mapping[str, Any], step: str = "") -> Entry:
        """Record a fact; its data must survive JSON."""
        entry = Entry(
            run=self.run,
            seq=len(self.entries),
            step=step,
            fact=fact,
            data=json.loads(json.dumps(dict(data))),
            at=0.0,
            by="tester",
            fence=1,
            write_id=str(len(self.entries)),
            prev="",
            hash="",
        )
        self.view = advance(self.view, entry)
        self.entries.append(entry)
        return entry

    def text(self) -> str:
        """Everything a journal would hold, as text."""
        kept = [msgspec.to_builtins(entry) for entry in self.entries if entry.fact is not Fact.RUN_STARTED]
        return json.dumps([kept, msgspec.to_builtins(self.cursors)], default=str)

    def intents(self, step: str = "") -> set[tuple[str, str, str]]:
        """Identities of the recorded intents that act."""
        steps = [self.view.step(step)] if step else list(self.view.steps.values())
        changes = [msgspec.convert(intent["change"], Change) for one in steps for intent in one.intents]
        return {change.identity for change in changes if change.acts}

    def started(self, step: str, uses: str) -> None:
        """Begin a step by hand."""
        self.uses[step] = uses
        self.append(Fact.STARTED, {"uses": uses}, step)

    def apply(self, step: Step, ctx: FakeContext) -> Output:
        """As the runner does: STARTED, apply, DONE."""
        self.uses[ctx.step] = step.uses
        self.append(Fact.STARTED, {"uses": step.uses}, ctx.step)
        output = step.apply(ctx)
        self.append(Fact.DONE, output, ctx.step)
        return output

    def undo(self, step: Step, ctx: FakeContext) -> None:
        """As the unwinder does: UNDOING, undo, UNDONE. An undone step is undone again by going round the table."""
        if self.view.step(ctx.step).status is not Status.UNDONE:
            self.append(Fact.UNDOING, {}, ctx.step)
        step.undo(ctx)
        if self.view.step(ctx.step).status is not Status.UNDONE:
            self.append(Fact.UNDONE, {}, ctx.step)

    def context(self, step: str, aws: Aws, **more: Any) -> FakeContext:
        """A process at a step."""
        return FakeContext(journal=self, step=step, aws=aws, **more)


def nothing_stands_against_it() -> None:
    """The default of `FakeContext.checked`."""


@dataclass
class FakeContext:
    """One step of a run in memory: `steps.base.Context`."""

    journal: Run
    step: str
    aws: Aws
    moves: Sequence[Move] = ()
    flow: Flow = Flow.FORWARD
    clock: FakeClock = field(default_factory=FakeClock)
    retry: Retry = field(default_factory=quick_retry)
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    taken_over: Horizon | None = None
    residents: dict[str, Any] = field(default_factory=dict)
    checked: Callable[[], None] = nothing_stands_against_it
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        return self.journal.plan

    @property
    def estate(self) -> Estate:
        return self.journal.plan.estate

    @property
    def run(self) -> str:
        return self.journal.run

    @property
    def view(self) -> RunView:
        return self.journal.view

    @property
    def ledger(self) -> Ledger:
        raise NotImplementedError

    def late_left(self) -> float:
        taken = self.taken_over
        return 0.0 if taken is None else max(0.0, taken.since + taken.seconds - self.clock.monotonic())

    def progress(self, event: str, /, **fields: Any) -> None:
        self.told.append((event, fields))

    def output(self, uses: str) -> Output:
        latest: Output = {}
        for step_id, step in self.view.steps.items():
            if self.journal.uses.get(step_id) == uses and step.output:
                latest = step.output
        return latest

    def intend(self, change: Change, existed: bool) -> bool:
        for intent in self.view.step(self.step).intents:
            if msgspec.convert(intent["change"], Change).identity == change.identity:
                return bool(intent["existed"])
        self.journal.append(Fact.INTENT, {"change": msgspec.to_builtins(change), "existed": existed}, self.step)
        return existed

    def note(self, about: str, **data: Any) -> Entry:
        return self.journal.append(Fact.NOTE, {"about": about, **data}, self.step)

    def commit(self, fact: Fact, data: Mapping[str, Any], items: Sequence[dict[str, Any]] = ()) -> Entry:
        if items:
            self.aws.dynamodb().transact(list(items), token=uuid4().hex)
        return self.journal.append(fact, data)

    def load_cursors(self) -> dict[str, Cursor]:
        return dict(self.journal.cursors.get(self.step, {}))

    def save_cursor(self, cursor: Cursor) -> None:
        kept = msgspec.json.decode(msgspec.json.encode(cursor), type=Cursor)
        self.journal.cursors.setdefault(self.step, {})[cursor.unit] = kept

    def tuning(self) -> Tuning | None:
        return None

    def save_throughput(self, told: Throughput) -> None:
        raise AssertionError

    def resident(self, uses: str) -> Any:
        if uses not in self.residents:
            raise LookupError(uses)
        return self.residents[uses]

    def check(self) -> None:
        self.checked()


def _is_a_context(context: FakeContext) -> Context:
    """The type checker holds the fake to the real interface here."""
    return context
