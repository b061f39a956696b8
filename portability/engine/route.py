"""Which steps a goal asks for, in which order. Pure: a function of the plan and the view."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from portability.model.plan import Plan
from portability.model.recipe import StepSpec
from portability.model.run import RunView
from portability.model.status import Goal, Status
from portability.steps.base import Phase, Step
from portability.stores.base import Flow

FINISHED = (Status.DONE, Status.SKIPPED)


@dataclass(frozen=True)
class Station:
    """A stop on the route: a step under the id it has in the journal, and the way data goes there."""

    id: str
    spec: StepSpec
    step: Step
    flow: Flow
    closes: tuple[str, ...]

    @property
    def phase(self) -> Phase:
        """The step's phase."""
        return self.step.phase

    @property
    def leads_to(self) -> str:
        """The side that its flow makes serve."""
        return "target" if self.flow is Flow.FORWARD else "source"

    def flipped(self, view: RunView) -> bool:
        """Whether its flip stands, asked of the last leg of a run; it may still have to be settled."""
        return self.phase == "flip" and view.serving == self.leads_to

    def turned_round(self, view: RunView) -> bool:
        """Whether it is a leg that the run goes back on next: its own hook is not to hold that up."""
        return self.phase == "flip" and self.leads_to != _wanted(view)


@dataclass(frozen=True)
class Route:
    """A plan's steps, built. A flip after the first is a *leg* of its own: `cutover.2` goes back, `cutover.3` forth.

    So is the soak that follows: `soak.2` is the one of `cutover.3`.
    """

    plan: Plan
    steps: tuple[tuple[StepSpec, Step], ...]

    def stops(self, view: RunView) -> list[Station]:
        """What the run's goal asks for, finished or not, in order."""
        wanted: dict[Goal, tuple[Phase, ...]] = {
            Goal.MIGRATE: ("prepare", "flip"),
            Goal.CUTOVER: ("prepare", "flip"),
            Goal.REVERSE: ("prepare", "flip"),
            Goal.COMPLETE: ("retire",),
            Goal.CANCEL: (),
        }
        route: list[Station] = []
        for spec, step in self.steps:
            if step.phase not in wanted[view.goal]:
                continue
            route += self._legs(spec, step, view) if step.phase == "flip" else [self._plain(spec, step, view)]
        return route

    def soak(self, view: RunView) -> list[Station]:
        """The steps between the last flip and the end."""
        return [self._past_soaks(spec, step, view)[-1] for spec, step in self.steps if step.phase == "soak"]

    def touched(self, view: RunView) -> list[Station]:
        """Every step the run has begun, last first: what an unwind goes through."""
        known = [stop for spec, step in self.steps for stop in self._past(spec, step, view)]
        began = [
            stop for stop in known if view.step(stop.id).status not in (Status.PENDING, Status.SKIPPED, Status.UNDONE)
        ]
        return began[::-1]

    def lasting(self, view: RunView) -> list[Station]:
        """Steps that are done and may have a resident, oldest first; a step that a done one closes is left out."""
        done = [
            stop
            for spec, step in self.steps
            for stop in self._past(spec, step, view)
            if view.step(stop.id).status is Status.DONE
        ]
        closed = {target for stop in done for target in stop.closes}
        return [stop for stop in done if stop.id not in closed]

    def announced(self, view: RunView) -> Station | None:
        """The leg whose fence the journal announced and that was not lifted, or else one that began and may flip."""
        known = [
            stop for spec, step in self.steps if step.phase == "flip" for stop in self._past_legs(spec, step, view)
        ]
        if view.fenced:
            return next((stop for stop in known if stop.id == view.fenced_by.get("step")), None)
        began = (Status.STARTED, Status.FAILED)
        return next((stop for stop in known[::-1] if view.step(stop.id).status in began), None)

    def uses(self, view: RunView) -> dict[str, str]:
        """The kind of every step id known so far, in the order of the route, legs after their first."""
        kinds: dict[str, str] = {}
        for spec, step in self.steps:
            legs = self._legs(spec, step, view) if step.phase == "flip" else self._past(spec, step, view)
            kinds |= {stop.id: spec.uses for stop in legs}
        return kinds

    def _past(self, spec: StepSpec, step: Step, view: RunView) -> list[Station]:
        """The stops at a step so far: one, or one per flip it belongs to."""
        if step.phase == "flip":
            return self._past_legs(spec, step, view)
        return self._past_soaks(spec, step, view) if step.phase == "soak" else [self._plain(spec, step, view)]

    def _past_soaks(self, spec: StepSpec, step: Step, view: RunView) -> list[Station]:
        """One per flip to the target, by the order of those: a soak that follows a reverse lasts from its own flip."""
        plain, count = self._plain(spec, step, view), max(1, (view.flips + 1) // 2)
        return [replace(plain, id=leg_id(spec.id, number)) for number in range(1, count + 1)]

    def _plain(self, spec: StepSpec, step: Step, view: RunView) -> Station:
        flow = Flow.FORWARD if view.serving == "source" or step.phase == "prepare" else Flow.REVERSE
        closes = tuple(self._latest_leg(target, view) for target in spec.closes)
        return Station(id=spec.id, spec=spec, step=step, flow=flow, closes=closes)

    def _latest_leg(self, target: str, view: RunView) -> str:
        for spec, step in self.steps:
            if spec.id == target and step.phase == "flip":
                return self._past_legs(spec, step, view)[-1].id
        return target

    def _legs(self, spec: StepSpec, step: Step, view: RunView) -> list[Station]:
        past = self._past_legs(spec, step, view)
        last = past[-1]
        if view.step(last.id).status not in FINISHED:
            # A reverse that has not flipped is given up by asking for the cutover that stands.
            given_up = view.goal is Goal.CUTOVER and view.serving == "target" and last.flow is Flow.REVERSE
            return past[:-1] if given_up else past
        if view.goal in (Goal.CANCEL, Goal.COMPLETE) or last.leads_to == _wanted(view):
            return past
        return [*past, self._leg(spec, step, len(past) + 1)]

    def _past_legs(self, spec: StepSpec, step: Step, view: RunView) -> list[Station]:
        count = 1
        while leg_id(spec.id, count + 1) in view.steps:
            count += 1
        return [self._leg(spec, step, number) for number in range(1, count + 1)]

    @staticmethod
    def _leg(spec: StepSpec, step: Step, number: int) -> Station:
        flow = Flow.FORWARD if number % 2 else Flow.REVERSE
        closes = tuple(spec.closes) if number == 1 else (leg_id(spec.id, number - 1),)
        named = msgspec.structs.replace(spec, gates=spec.gates if number == 1 else [])
        return Station(id=leg_id(spec.id, number), spec=named, step=step, flow=flow, closes=closes)


def _wanted(view: RunView) -> str:
    """The side that the goal asks to serve."""
    return "source" if view.goal is Goal.REVERSE else "target"


def leg_id(step_id: str, number: int) -> str:
    """`cutover` for the first leg, `cutover.2` for the second."""
    return step_id if number == 1 else f"{step_id}.{number}"
