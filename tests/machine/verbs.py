"""The commands, by the functions that the command line calls for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from portability import errors
from portability.cli import compare_sides, operations, slips
from portability.cli.planning import Planned
from portability.cli.wiring import Desk
from portability.engine.observer import silent
from portability.engine.runner import Options
from portability.journal.base import Held
from portability.model.plan import Plan
from portability.model.run import RunView
from portability.model.status import Goal, ParkReason, RunState
from tests.steps_data.run_plan import TENANT

PASS = 10.0
"""Seconds of the one pass that `resume` makes at a soak."""

TICK = 60.0
"""Seconds of the one pass of a `tick`."""


class Tenant(Protocol):
    """Whose run it is: the run, the slips that stop it, and the plan of the next."""

    run: str
    slips: dict[str, int]

    @property
    def serving(self) -> str:
        """`source` or `target`, as the directory says."""

    def next_plan(self) -> Plan:
        """Compiled anew."""


@dataclass(frozen=True)
class Said:
    """A command as it is said: by whom, of what, and for how long it watches a lease that may be live (seconds)."""

    desk: Desk
    tenant: Tenant
    wait: float

    def migrate(self, *, postponed: bool = False) -> RunView:
        found = operations.adopt(self.desk, TENANT, "premium", wait=self.wait)
        if isinstance(found, RunView):
            return found
        if found is None:
            if self.tenant.serving == "target":
                raise errors.UsageMistake(f"{TENANT} is in premium already: nothing to do", next="portability status")
            planned = Planned(plan=self.tenant.next_plan(), findings=[])
            found = operations.start_run(self.desk, planned, reason="", change_ref="", postponed=postponed)
        return self._drive(found, Options(postpone_cutover=postponed))

    def postponed(self) -> RunView:
        return self.migrate(postponed=True)

    def resume(self, tick: float | None = None) -> RunView:
        soaks = self._view().state is RunState.SOAKING
        held = operations.take(self.desk, self.tenant.run, goal=None, wait=self.wait)
        return self._drive(held, Options(tick=PASS if soaks and tick is None else tick))

    def tick(self) -> RunView:
        view = self._view()
        if view.state is RunState.PARKED and view.reason == ParkReason.POSTPONED:
            return view
        return self.resume(TICK)

    def cutover(self) -> RunView:
        operations.allow(self._view(), Goal.CUTOVER)
        return self._towards(Goal.CUTOVER)

    def reverse(self) -> RunView:
        return self._towards(Goal.REVERSE)

    def cancel(self) -> RunView:
        return self._towards(Goal.CANCEL)

    def complete(self) -> RunView:
        return self._towards(Goal.COMPLETE)

    def repair(self) -> RunView:
        """`verify --repair`, with an operator's word over the late writes where those stop the run."""
        run, view = self.tenant.run, self._view()
        if slips.stopped_by_slips(view) is None:
            compare_sides.compare_run(self.desk, run, repair=True, wait=self.wait, observer=silent, mode="full")
        elif number := slips.count(slips.look(self.desk, view)):
            slips.overrule(self.desk, run, number, wait=self.wait)
            self.tenant.slips.clear()
        return self._view()

    def _view(self) -> RunView:
        return self.desk.journal.view(self.tenant.run)

    def _towards(self, goal: Goal) -> RunView:
        held = operations.take(self.desk, self.tenant.run, goal=goal, wait=self.wait)
        return self._drive(held, Options())

    def _drive(self, held: Held, options: Options) -> RunView:
        try:
            return operations.drive(self.desk, held, options, silent)
        finally:
            held.abandon()


VERBS: Mapping[str, Callable[[Said], Any]] = {
    "migrate": Said.migrate,
    "postponed": Said.postponed,
    "resume": Said.resume,
    "tick": Said.tick,
    "cutover": Said.cutover,
    "reverse": Said.reverse,
    "cancel": Said.cancel,
    "complete": Said.complete,
    "repair": Said.repair,
}
