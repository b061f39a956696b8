"""Runs a plan: intent, effect, record, step after step, until the goal is reached or the run is parked.

The runner decides nothing from memory: after every entry the folded view says what is next, so a process that takes
over a run goes exactly where the one before it would have gone.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec

from portability import errors
from portability.engine.context import RunContext
from portability.engine.gates import check_gates
from portability.engine.hooks import run_hook
from portability.engine.observer import Observer
from portability.engine.residents import Residents
from portability.engine.route import FINISHED, Route, Station
from portability.engine.stop import Stop
from portability.engine.unwind import unwind
from portability.engine.world import World
from portability.journal.base import Held
from portability.model.estate import seconds
from portability.model.plan import Plan
from portability.model.run import RunView
from portability.model.status import Fact, Goal, ParkReason, RunState, Status
from portability.steps.base import Advancing, Ending, Fencing
from portability.stores.base import Horizon

TRANSIENT = (errors.AwsError, errors.EndpointDown)
"""What a recipe's `retry` tries a step again after."""


@dataclass(frozen=True)
class Options:
    """What one call of the command asks for beyond the goal."""

    until: str | None = None  # park after this step
    postpone_cutover: bool = False
    wait_soak: bool = False  # stay until the soak is over
    tick: float | None = None  # one bounded pass of the soak, in seconds


@dataclass
class Runner:
    """One process's turn at one run."""

    held: Held
    plan: Plan
    route: Route
    world: World
    stop: Stop
    observer: Observer
    options: Options = Options()
    residents: Residents = field(default_factory=Residents)

    def go(self) -> RunView:
        """Go on until the goal is reached; the lease is released on every way out but a lost one.

        Raises what parked the run (`Parked`, `Mismatch`, `StepFailed`, `Interrupted`, …) after it was recorded, and
        `LeaseLost` with nothing recorded.
        """
        try:
            with ExitStack() as stack:
                stack.callback(self.residents.leave_all)
                self._towards_the_goal()
        except errors.LeaseLost:
            self.held.abandon()
            raise
        except errors.PortabilityError as error:
            self._park(error)
            raise self._told(error) from error
        except Exception as error:
            self._park(error)
            raise
        view = self.held.view()
        self.held.release()
        return view

    def find_out(self) -> None:
        """Lift a fence that an earlier process left, before anything that may take long or fail: a tenant waits.

        Where its flip came first, a cancel that did not know of it is refused: the target's writes would be lost.
        """
        before = self.held.view()
        station = self.route.announced(before)
        if station is not None and isinstance(station.step, Fencing):
            station.step.unfence(self.context(station))
        if before.state is RunState.UNWINDING and self.held.view().state is RunState.RUNNING:
            msg = f"the cutover of run {self.held.run} had flipped before: the target serves {self.plan.tenant}"
            changed = "Nothing was taken back; the flip is recorded."
            raise errors.UsageMistake(msg, next=f"portability reverse {self.held.run}", changed=changed)

    def _towards_the_goal(self) -> None:
        if self.held.view().state is RunState.STUCK:
            # Only a cancel gets stuck, and only by a cancel it goes on.
            self.held.append(Fact.GOAL, {"goal": Goal.CANCEL.value})
        self.find_out()
        if self.held.view().state is RunState.UNWINDING:
            unwind(self.held, self.route, self.context, self.observer, self._outlast)
            return
        self._postpone()
        for station in self.route.lasting(self.held.view()):
            self.residents.enter(station, self.context(station))
        passed: set[str] = set()
        while (coming := self._next(passed)) is not None:
            if self.held.view().step(coming.id).status not in FINISHED:
                self._before(coming)
                self._perform(coming)
            self._after(coming)
            passed.add(coming.id)
        self._arrive()

    def _postpone(self) -> None:
        """Journal that the cutover is put off: whoever goes on with the run, and however, stops before it."""
        view = self.held.view()
        ahead = view.serving == "source" and view.goal in (Goal.MIGRATE, Goal.CUTOVER)
        if self.options.postpone_cutover and ahead and not view.postponed:
            self.held.append(Fact.GOAL, {"goal": view.goal.value, "postponed": True})

    def _next(self, passed: Collection[str]) -> Station | None:
        """The next stop, asked of the route anew each time: a leg that is done may not be the one that was wanted."""
        return next((stop for stop in self.route.stops(self.held.view()) if stop.id not in passed), None)

    def _arrive(self) -> None:
        view = self.held.view()
        if view.goal is Goal.COMPLETE:
            self._complete(view)
            return
        if view.goal is Goal.REVERSE:
            if view.state is not RunState.REVERSED:
                self.held.append(Fact.REVERSED, {})
                self.observer("reversed", run=self.held.run)
            return
        if view.state is not RunState.SOAKING:
            self.held.append(Fact.SOAKING, {})
            self.observer("soaking", run=self.held.run)
        for station in self.route.soak(self.held.view()):
            if self.held.view().step(station.id).status in FINISHED:
                continue
            if self.options.wait_soak or (self.options.tick is not None and self._passed(station, self.options.tick)):
                self._perform(station)

    def _complete(self, view: RunView) -> None:
        self.residents.leave_all()
        for station in {station.spec.id: station for station in self.route.touched(view)}.values():
            if isinstance(station.step, Ending):
                station.step.end(self.context(station))
        self._outlast()
        self.held.append(Fact.COMPLETED, {})
        self.observer("completed", run=self.held.run)

    def _outlast(self) -> None:
        """Wait until nothing that a process of this run sent can land any more.

        The tenant's next run may make the same tables again, and its data would meet what comes late.
        """
        told = False
        while (left := self.held.late_left()) > 0:
            self.held.look()
            if self.stop.requested:
                msg = f"run {self.held.run} was asked to stop"
                raise errors.Parked(msg, reason=ParkReason.SIGNAL, next=f"portability resume {self.held.run}")
            if not told:
                self.observer("ending", run=self.held.run, seconds=round(left))
                told = True
            self.world.clock.sleep(min(left, 1.0))

    def _passed(self, station: Station, budget: float) -> bool:
        """One bounded pass of a lasting step; whether it is over, so that performing it takes no more time."""
        context, step = self.context(station), station.step
        if not isinstance(step, Advancing):
            return True
        if self.held.view().step(station.id).status is not Status.STARTED:
            self._start(station)
        return step.advance(context, budget)

    def _before(self, station: Station) -> None:
        view = self.held.view()
        flipped = station.flipped(view)
        if view.postponed and station.phase == "flip" and not flipped:
            msg = f"the cutover of run {self.held.run} is postponed"
            raise errors.Parked(msg, reason=ParkReason.POSTPONED, next=f"portability run cutover {self.held.run}")
        if self.stop.requested:
            self.context(station).check()
        if not flipped:
            check_gates(station.spec.gates, run=self.held.run, step=station.id, now=self.world.clock.now())

    def _after(self, station: Station) -> None:
        if self.options.until == station.spec.id:
            msg = f"run {self.held.run} stopped after {station.id}, as asked"
            raise errors.Parked(msg, reason=ParkReason.POSTPONED, next=f"portability resume {self.held.run}")

    def _perform(self, station: Station) -> None:
        step, spec = station.step, station.spec
        context = self.context(station)
        pending = self.held.view().step(station.id).status is Status.PENDING
        if pending and not step.preview(context):
            self.held.append(Fact.SKIPPED, {"why": "nothing to do"}, step=station.id)
            self.observer("step_skipped", run=self.held.run, step=station.id, uses=spec.uses)
            return
        if not station.flipped(self.held.view()):
            self._hook(station, spec.hooks.before)
        output = self._attempts(station, context)
        # A crash here repeats the step and the hook after it, and both may be repeated.
        self.held.append(Fact.DONE, dict(output), step=station.id)
        for closed in station.closes:
            self.residents.leave(closed)
        self.residents.enter(station, context)
        self.observer("step_done", run=self.held.run, step=station.id, uses=spec.uses)

    def _start(self, station: Station) -> None:
        self.held.append(Fact.STARTED, {"uses": station.spec.uses, "flow": station.flow.value}, step=station.id)
        self.observer("step_started", run=self.held.run, step=station.id, uses=station.spec.uses)

    def _attempts(self, station: Station, context: RunContext) -> dict[str, Any]:
        policy = station.spec.retry
        base, cap = seconds(policy.base), seconds(policy.cap)
        for attempt in range(1, policy.attempts + 1):
            self._start(station)
            try:
                output = dict(station.step.apply(context))
                if not station.turned_round(self.held.view()):
                    self._hook(station, station.spec.hooks.after)
                return output
            except (errors.Parked, errors.LeaseLost):
                raise
            except Exception as error:
                self.held.append(Fact.FAILED, {"error": describe(error)}, step=station.id)
                self.observer("step_failed", run=self.held.run, step=station.id, error=describe(error))
                if attempt == policy.attempts or not isinstance(error, TRANSIENT):
                    raise
                self.world.clock.sleep(min(cap, base * 2 ** (attempt - 1)) * self.world.rng.random())
        raise AssertionError(policy)

    def _hook(self, station: Station, argv: list[str] | None) -> None:
        facts = {"run": self.held.run, "tenant": self.plan.tenant, "step": station.id, "flow": station.flow.value}
        if argv:
            run_hook(argv, facts, enabled=self.plan.estate.hooks.enabled)

    def context(self, station: Station) -> RunContext:
        """What the station's step is given."""
        deadline = station.spec.deadline
        clock = self.world.clock
        return RunContext(
            held=self.held,
            world=self.world,
            plan=self.plan,
            step=station.id,
            flow=station.flow,
            stop=self.stop,
            observer=self.observer,
            taken_over=self._taken_over,
            residents=self.residents.values,
            uses=self.route.uses(self.held.view()),
            deadline=clock.monotonic() + seconds(deadline) if deadline else None,
        )

    @property
    def _taken_over(self) -> Horizon | None:
        held = self.held
        return Horizon(since=held.taken_at, seconds=held.late_for) if held.late_for else None

    def _park(self, error: BaseException) -> None:
        """Record why the run stops and give the lease back; where the journal is out of reach the lease lapses."""
        reason = reason_of(error)
        try:
            view = self.held.view()
            if not view.ended and view.state is not RunState.STUCK:
                self.held.append(Fact.PARKED, {"reason": reason.value, "what": describe(error)})
            self.held.release()
        except errors.PortabilityError:
            self.held.abandon()
            return
        self.observer("parked", run=self.held.run, reason=reason.value)

    def _told(self, error: errors.PortabilityError) -> errors.PortabilityError:
        """What the operator is told: the error itself, or what the parked run needs next."""
        again = f"portability resume {self.held.run}"
        if isinstance(error, errors.Parked) and error.reason == ParkReason.SIGNAL and self.stop.signum is not None:
            return errors.Interrupted(error.what, signum=self.stop.signum, next=again)
        if isinstance(error, errors.AwsError) and error.exit_code == errors.AwsError.exit_code:
            serving = self.held.view().serving
            return errors.StepFailed(error.what, next=again, changed=f"The {serving} serves. The run is parked.")
        error.next = error.next.replace(errors.AGAIN, again)
        error.changed = error.changed.replace(errors.SIDE, self.held.view().serving)
        return error


def reason_of(error: BaseException) -> ParkReason:
    """Why a run parks, from what stopped it."""
    if isinstance(error, errors.Parked):
        return ParkReason(error.reason)
    return ParkReason.MISMATCH if isinstance(error, errors.Mismatch) else ParkReason.FAILURE


def describe(error: BaseException) -> str:
    """One line for the journal. A foreign exception gives its type only: its text may hold a value of the tenant's."""
    if isinstance(error, errors.PortabilityError):
        return f"{error.code} {error.what}"[:2000]
    if isinstance(error, msgspec.ValidationError):
        return f"ValidationError {error}"[:500]
    return f"internal error {type(error).__name__}"
