"""One process's turn at a run, as every verb that moves a run takes it: start or take the lease, drive, show."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portability import errors
from portability.cli.call import Call

if TYPE_CHECKING:
    from portability.cli.planning import Planned
    from portability.engine.observer import Observer
    from portability.journal.base import Held
    from portability.model.plan import Plan
    from portability.model.run import RunView
    from portability.model.status import Goal
    from portability.plan.compile import NothingToDo

PASS = 10.0
"""Seconds of the one pass that `resume` makes at a soak."""


@dataclass
class Turn:
    """What one call asks of the runner."""

    call: Call
    until: str | None = None
    postpone_cutover: bool = False
    wait_soak: bool = False
    tick: float | None = None

    def __post_init__(self) -> None:
        """Raise what would keep the run from being told, before there is one."""
        _ = self.call.events

    def adopt(self, tenant: str, to: str, *, wait: float) -> Held | RunView | None:
        """See `operations.adopt`; says so where there is a run to go on with."""
        from portability.cli import operations
        from portability.model.run import RunView

        with self._taking():
            found = operations.adopt(self.call.desk, tenant, to, wait=wait)
            if found is not None and not isinstance(found, RunView):
                self._mine(found)
                self.call.screen.tell(f"going on with run {found.run} of {tenant}: {_was(found)}")
        return found

    def start(self, planned: Planned, *, reason: str, change_ref: str) -> Held:
        """Begin a run."""
        from portability.cli import operations

        with self._taking():
            held = operations.start_run(
                self.call.desk, planned, reason=reason, change_ref=change_ref, postponed=self.postpone_cutover
            )
            self._mine(held)
        self.call.screen.tell(f"run {held.run}: {planned.plan.tenant} to {planned.plan.target.tier}")
        return held

    def take(self, run: str, *, goal: Goal | None, wait: float) -> int:
        """Take the run's lease, record a goal, drive."""
        from portability.cli import operations

        self.check_until(self.call.desk.journal.header(run).plan)
        with self._taking():
            held = operations.take(self.call.desk, run, goal=goal, wait=wait)
            self._mine(held)
        return self.drive(held)

    def resume(self, run: str, *, wait: float) -> int:
        """Go on; one bounded pass where the run soaks, nothing where it has ended."""
        from portability.model.status import RunState

        view = self.call.desk.journal.view(run)
        if view.ended:
            self.call.screen.tell(f"run {run} is {view.state}: nothing to resume")
            show_outcome(self.call, run)
            return 0
        if view.state is RunState.SOAKING and not self.wait_soak and self.tick is None:
            self.tick = PASS
        return self.take(run, goal=None, wait=wait)

    def drive(self, held: Held) -> int:
        """Go on until the goal is reached or the run parks; then show it. Raises what parked it."""
        from portability.cli import operations
        from portability.engine.runner import Options

        self.check_until(held.view().header.plan, held)
        options = Options(
            until=self.until, postpone_cutover=self.postpone_cutover, wait_soak=self.wait_soak, tick=self.tick
        )
        try:
            with (
                self.call.driving(),
                self._released(held),
                observing(self.call, held.view()) as observer,
            ):
                operations.drive(self.call.desk, held, options, observer)
        except errors.PortabilityError:
            if self.call.asked.machine:
                with contextlib.suppress(errors.PortabilityError):
                    show_outcome(self.call, held.run)
            raise
        show_outcome(self.call, held.run)
        return 0

    @contextlib.contextmanager
    def _taking(self) -> Iterator[None]:
        """While a lease is taken, or waited for: a signal ends the waiting, and it was that which ended it."""
        try:
            with self.call.driving():
                yield
        except errors.LeaseHeld as held:
            signum = self.call.stop.signum
            if signum is None:
                raise
            again = errors.AGAIN
            raise errors.Interrupted(held.what, signum=signum, next=again, changed="Nothing was changed.") from held

    @staticmethod
    @contextlib.contextmanager
    def _released(held: Held) -> Iterator[None]:
        """Whatever happens between taking the lease and driving, this process does not go on beating."""
        try:
            yield
        finally:
            held.abandon()  # no effect on a lease that was given back

    def check_until(self, plan: Plan, held: Held | None = None) -> None:
        """Raise `UsageMistake` where `--until` names no step of the plan."""
        ids = [spec.id for spec in plan.steps]
        if self.until is None or self.until in ids:
            return
        if held is not None:
            held.release()
        raise errors.UsageMistake(f"--until {self.until!a} is no step of this plan", next=f"one of: {', '.join(ids)}")

    def nothing(self, nothing: NothingToDo, to: str) -> None:
        """Say that the tenant is there already."""
        from portability.report.status_object import no_run

        at = f"{nothing.location.tier}@{nothing.location.placement}"
        self.call.screen.outcome(f"{nothing.tenant} is in {at} already: nothing to do", no_run(nothing.tenant, at, to))

    def _mine(self, held: Held) -> None:
        self.call.run, self.call.wrote = held.run, True


def _was(held: Held) -> str:
    if held.previous is not None:
        return f"its holder {held.previous.name} is gone"
    return "it was parked"


def show_run(call: Call, run: str) -> None:
    """The run as it stands, as the result."""
    from portability.report.status_text import status_text

    seen = look(call, run)
    call.screen.result(status_text(seen, room=call.screen.room), seen.value)


def show_outcome(call: Call, run: str) -> None:
    """The run as a verb that moved it leaves it."""
    if call.asked.machine or not call.asked.quiet:
        show_run(call, run)


def look(call: Call, run: str) -> Any:  # noqa: ANN401 - a report.status_object.Seen, imported late
    """The run as the journal tells it now, and the directory where the journal announced a fence."""
    from portability.cli import operations
    from portability.journal.lease import ThisHost
    from portability.report.status_object import seen
    from portability.stores.base import MEASURED, Flow, Measured, channel_name

    journal = call.desk.journal
    view, lease = journal.view(run), journal.lease(run)
    flow = Flow.FORWARD if view.serving == "source" else Flow.REVERSE
    kept = [journal.position(run, channel_name(move.store, flow), MEASURED) for move in view.header.plan.moving]
    return seen(
        view=view,
        lease=lease,
        cursors=journal.cursors(run),
        parked=journal.parked_groups(run),
        measured=[None if text is None else Measured.of(text) for text in kept],
        throughput=journal.throughput(run),
        now=call.desk.clock.now(),
        gone=lease.holder is not None and ThisHost().gone(lease.holder),
        paused=operations.paused(call.desk, view),
    )


@contextlib.contextmanager
def observing(call: Call, view: RunView) -> Iterator[Observer]:
    """Who listens to a run: the screen (lines, or a live display), `--events`, the log."""
    from portability.engine.observer import both
    from portability.report.events import EventLines
    from portability.report.lines import Lines

    listeners: list[Any] = []
    with contextlib.ExitStack() as stack:
        if call.events is not None:
            listeners.append(call.events)
        if call.asked.quiet:
            pass
        elif call.asked.machine:
            listeners.append(EventLines(call.screen.event))
        elif call.screen.live:
            from portability.report.live import Live

            listeners.append(stack.enter_context(Live.begin(call.screen.err, view, color=call.screen.color)))
        else:
            listeners.append(Lines(call.screen.tell, view))
        if call.asked.verbose:
            from portability.cli.log import listen

            listeners.append(listen())
        yield both(*listeners)
