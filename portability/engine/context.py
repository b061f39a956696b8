"""The Context a step is given, implemented over the journal. The only writer of a step's history."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from portability import errors
from portability.aws.session import Aws
from portability.engine.observer import Observer, for_step
from portability.engine.stop import Stop
from portability.engine.world import World
from portability.journal.base import Held
from portability.model.change import Change
from portability.model.estate import Estate
from portability.model.plan import Plan
from portability.model.run import Cursor, Entry, RunView, StepView, Throughput, Tuning
from portability.model.status import Fact, ParkReason
from portability.retry import Retry
from portability.steps.base import Clock, Output, Progress
from portability.stores.base import Flow, Horizon, Ledger, Move


@dataclass(frozen=True)
class Observation:
    """What `preview` is given: a plan and read-only surroundings."""

    plan: Plan
    aws: Aws
    moves: Sequence[Move]
    clock: Clock
    retry: Retry

    @property
    def estate(self) -> Estate:
        """The estate the plan was compiled against."""
        return self.plan.estate


@dataclass(frozen=True)
class RunContext:
    """One step of one run, as `steps.base.Context` promises it."""

    held: Held
    world: World
    plan: Plan
    step: str
    flow: Flow
    stop: Stop
    observer: Observer
    taken_over: Horizon | None
    residents: Mapping[str, Any]  # step id -> what its resident gave
    uses: Mapping[str, str]  # step id -> the kind of step
    deadline: float | None = None  # monotonic

    @property
    def run(self) -> str:
        """The run's id."""
        return self.held.run

    @property
    def estate(self) -> Estate:
        """The estate the plan was compiled against."""
        return self.plan.estate

    @property
    def aws(self) -> Aws:
        """Clients that look at the lease before every send."""
        return self.world.aws

    @property
    def moves(self) -> Sequence[Move]:
        """The stores whose data moves."""
        return self.world.moves

    @property
    def clock(self) -> Clock:
        """Time."""
        return self.world.clock

    @property
    def retry(self) -> Retry:
        """The one policy."""
        return self.world.retry

    @property
    def rng(self) -> random.Random:
        """Randomness."""
        return self.world.rng

    @property
    def ledger(self) -> Ledger:
        """Positions and parked keys."""
        return self.held

    @property
    def progress(self) -> Progress:
        """Where the step tells how far it is."""
        return for_step(self.observer, self.run, self.step)

    def late_left(self) -> float:
        """Seconds until nothing that any process of this run sent can land any more."""
        return self.held.late_left()

    @property
    def view(self) -> RunView:
        """The run as its entries tell it now."""
        return self.held.view()

    def output(self, uses: str) -> Output:
        """The output of the latest step of that kind."""
        latest: StepView | None = None
        for step_id, step in self.view.steps.items():
            if self.uses.get(step_id) == uses and step.output:
                latest = step
        return latest.output if latest else {}

    def intend(self, change: Change, existed: bool) -> bool:  # noqa: FBT001 - a fact about the change, not a switch
        """Record an intent once; a repeat gets what the first look saw."""
        for intent in self.view.step(self.step).intents:
            known = msgspec.convert(intent["change"], Change)
            if known.identity == change.identity:
                return bool(intent["existed"])
        data = {"change": msgspec.to_builtins(change), "existed": existed}
        self.held.append(Fact.INTENT, data, step=self.step)
        return existed

    def note(self, about: str, **data: Any) -> Entry:
        """Append a NOTE to this step."""
        return self.held.append(Fact.NOTE, {"about": about, **data}, step=self.step)

    def commit(self, fact: Fact, data: Mapping[str, Any], items: Sequence[dict[str, Any]] = ()) -> Entry:
        """Append a run fact, in one transaction with `items` where directory and journal live together."""
        if items and self.world.write_elsewhere is not None:
            # Intent, conditional effect, record: a crash between is observed on resume by the stamp's epoch.
            self.note("flip intended", fact=fact.value)
            self.world.write_elsewhere(items)
            return self.held.append(fact, data)
        return self.held.append(fact, data, foreign=items)

    def load_cursors(self) -> dict[str, Cursor]:
        """This step's checkpoints by unit."""
        return self.held.load_cursors(self.step)

    def save_cursor(self, cursor: Cursor) -> None:
        """Save a checkpoint; a finished unit at once."""
        self.held.save_cursor(self.step, cursor, now=cursor.done)

    def tuning(self) -> Tuning | None:
        """What an operator asked of the copy while it runs."""
        return self.held.tuning()

    def save_throughput(self, told: Throughput) -> None:
        """Keep what the copy does a second."""
        self.held.save_throughput(told)

    def resident(self, uses: str) -> Any:  # noqa: ANN401 - each kind of step gives its own
        """What the resident of the latest step of that kind gave."""
        found = [value for step_id, value in self.residents.items() if self.uses.get(step_id) == uses]
        if not found:
            msg = f"no resident of {uses} is running"
            raise LookupError(msg)
        return found[-1]

    def check(self) -> None:
        """Raise what stands against going on."""
        self.held.look()
        for resident in self.residents.values():
            alive: Callable[[], None] | None = getattr(resident, "check", None)
            if alive is not None:
                alive()
        if self.stop.requested:
            msg = f"run {self.run} was asked to stop"
            raise errors.Parked(msg, reason=ParkReason.SIGNAL, next=f"portability resume {self.run}")
        if self.deadline is not None and self.clock.monotonic() > self.deadline:
            msg = f"step {self.step} passed its deadline"
            raise errors.StepFailed(msg, next=f"portability resume {self.run}", changed=f"The {errors.SIDE} serves.")
