"""Runs a scene's plan on the real engine, process after process, and knows every point inside the step under test."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from portability import errors
from portability.engine.context import Observation
from portability.engine.observer import silent
from portability.engine.route import Route
from portability.engine.runner import Options, Runner
from portability.engine.stop import Stop
from portability.engine.world import World
from portability.journal.chain import entry_of
from portability.journal.runs import TableJournal
from portability.journal.table import Key, Member, Put, Row, Table
from portability.model.change import Change
from portability.model.plan import Plan
from portability.model.run import Entry, Header, Holder, RunView
from portability.model.status import Fact, Goal, ParkReason
from portability.steps.base import Step
from portability.testing.breaking import Killed
from portability.testing.step_scene import Hands, StepScene

RUN = "r-01TEST0000000000000000000"
_BEGINS, _ENDS = (Fact.STARTED, Fact.UNDOING), (Fact.DONE, Fact.SKIPPED, Fact.FAILED, Fact.UNDONE, Fact.UNDO_FAILED)


class Gone:
    """Every earlier holder is gone: one process at a time."""

    def gone(self, _holder: Holder) -> bool:
        """Whether it is."""
        return True


class Points:
    """The places inside the step under test: before each mutating call, before and after each journal write.

    At number `at`, or at the first one called `on`, the process meets `end`, and from then on it is dead.
    """

    def __init__(
        self,
        at: int | None = None,
        *,
        on: str = "",
        end: Callable[[], BaseException] = lambda: Killed("here"),
    ) -> None:
        self.at, self.on, self.end = at, on, end
        self.inside = False
        self.met: list[str] = []
        self.after_the_end = 0
        self.ended: str | None = None
        self._lock = threading.Lock()

    def __call__(self, what: str) -> None:
        """A point is reached."""
        with self._lock:
            if self.ended is not None:
                self.after_the_end += 1
                raise self.end()
            if not self.inside:
                return
            if len(self.met) == self.at or what == self.on:
                self.ended = what
                raise self.end()
            self.met.append(what)


class WatchedTable:
    """A journal's table whose every write is two points."""

    def __init__(self, table: Table, step: str, points: Points) -> None:
        self._table, self._step, self._points = table, step, points

    def ensure(self) -> bool:
        """See `Table`."""
        return self._table.ensure()

    def check(self) -> None:
        """See `Table`."""
        self._table.check()

    def get(self, key: Key) -> Row | None:
        """See `Table`."""
        return self._table.get(key)

    def query(self, pk: str, prefix: str = "") -> list[Row]:
        """See `Table`."""
        return self._table.query(pk, prefix)

    def transact(self, members: Sequence[Member], *, token: str, foreign: Sequence[dict[str, Any]] = ()) -> None:
        """See `Table`."""
        puts = [one for one in members if isinstance(one, Put) and one.key.sk.startswith("E#")]
        facts = [entry_of({"sk": put.key.sk, **put.row}, RUN) for put in puts]
        what = ", ".join(entry.fact.value for entry in facts) or "a checkpoint, a position or keys"
        self._points(f"before the journal write: {what}")
        self._table.transact(members, token=token, foreign=foreign)
        for entry in facts:
            if entry.step == self._step:
                self._points.inside = entry.fact in _BEGINS or (self._points.inside and entry.fact not in _ENDS)
        self._points(f"after the journal write: {what}")


class StepRun:
    """One run in one scene. `go` is one process's turn; what outlives it is the scene and the journal."""

    def __init__(self, scene: StepScene) -> None:
        self.scene = scene
        self.table = scene.journal()
        self.table.ensure()
        self.told: list[str] = []  # every progress event, as text

    def to_the_step(self, points: Points | None = None) -> RunView:
        """Every goal of the scene, up to the end of the step."""
        *first, last = self.scene.goals
        for goal in first:
            self.go(goal, points)
        return self.go(last, points)

    def cancel(self, points: Points | None = None) -> RunView:
        """Take everything back."""
        return self.go(Goal.CANCEL, points)

    def go(self, goal: Goal, points: Points | None = None) -> RunView:
        """Start or take over the run, and go on until it rests. Raises `Killed`, `LeaseLost`, or what stopped it."""
        points = points or Points()
        hands, plan = self.scene.hands(points, read_only=False), self.scene.plan
        journal = self._journal(hands, points)
        holder = Holder(name="me@here", host="here", boot="b", namespace="n", pid=1, started="1")
        if journal.active(plan.tenant) is None:
            header = Header(run=RUN, tenant=plan.tenant, plan=plan, operator="me", version="0")
            held = journal.start(header, holder, write_id="first")
        else:
            held = journal.acquire(RUN, holder)
        last = self.scene.goals[-1]
        if held.view().goal is not goal:
            held.append(Fact.GOAL, {"goal": goal.value, "by": "me"})
        world = World(
            aws=hands.aws,
            moves=hands.moves,
            clock=hands.clock,
            retry=hands.retry,
            rng=random.Random(5),  # noqa: S311 - jitter
        )
        until = self.scene.step if goal is last else None
        runner = Runner(
            held=held,
            plan=plan,
            route=Route(plan=plan, steps=tuple((spec, hands.build(spec)) for spec in plan.steps)),
            world=world,
            stop=Stop(),
            observer=self._observe,
            options=Options(until=until, wait_soak=True),
        )
        try:
            return runner.go()
        except errors.Parked as parked:
            if parked.reason != ParkReason.POSTPONED:
                raise
            return held.view()
        finally:
            held.abandon()

    def _observe(self, event: str, /, **fields: Any) -> None:
        silent(event, **fields)
        self.told.append(f"{event} {fields}")

    def _journal(self, hands: Hands, points: Points) -> TableJournal:
        return TableJournal(
            WatchedTable(self.table, self.scene.step, points),
            self.scene.plan.estate.journal,
            hands.clock,
            hands.retry,
            liveness=Gone(),
            heartbeat="steady",
        )

    def entries(self) -> list[Entry]:
        """The run's entries; raises `JournalBroken` where the chain is not whole."""
        journal = self._journal(self.scene.hands(Points(), read_only=True), Points())
        journal.verify(RUN)
        return journal.entries(RUN)

    def preview(self, watch: Points) -> list[Change]:
        """What the step says it would do, observed with `watch` on every mutating call."""
        hands, plan = self.scene.hands(watch, read_only=True), self.scene.plan
        seen = Observation(plan=plan, aws=hands.aws, moves=hands.moves, clock=hands.clock, retry=hands.retry)
        return list(step_of(hands, plan, self.scene.step).preview(seen))


def step_of(hands: Hands, plan: Plan, step_id: str) -> Step:
    """The plan's step by its id, built."""
    (spec,) = [spec for spec in plan.steps if spec.id == step_id]
    return hands.build(spec)
