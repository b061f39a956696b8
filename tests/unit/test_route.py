"""The route is a function of plan and view: these are its laws, over every legal walk of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import pytest

from portability.engine.route import Route, leg_id
from portability.model.recipe import StepSpec
from portability.model.run import RunView, StepView
from portability.model.status import Goal, RunState, Status
from portability.steps.base import Phase
from portability.stores.base import Flow


@dataclass(frozen=True)
class Fake:
    """A step that does nothing, in some phase."""

    phase: Phase
    uses: ClassVar[str] = "fake"

    def preview(self, ctx: Any) -> list[Any]:
        return [ctx]

    def apply(self, ctx: Any) -> dict[str, Any]:
        return {"ctx": ctx}

    def undo(self, ctx: Any) -> None: ...


STEPS = (
    (StepSpec(id="preflight", uses="preflight"), Fake("prepare")),
    (StepSpec(id="channel", uses="open_channel"), Fake("prepare")),
    (StepSpec(id="cutover", uses="cut_over", closes=["channel"]), Fake("flip")),
    (StepSpec(id="soak", uses="soak"), Fake("soak")),
    (StepSpec(id="retire", uses="retire_source", closes=["cutover"]), Fake("retire")),
)
ROUTE = Route(plan=None, steps=STEPS)  # type: ignore[arg-type]


def view(goal: Goal, serving: str = "source", **statuses: Status) -> RunView:
    steps = {name: StepView(id=name, status=status) for name, status in statuses.items()}
    return RunView(header=None, state=RunState.RUNNING, goal=goal, serving=serving, steps=steps)  # type: ignore[arg-type]


def ids(stops: Any) -> list[str]:
    return [stop.id for stop in stops]


PREPARED = {"preflight": Status.DONE, "channel": Status.DONE}


def test_a_migration_prepares_and_flips_and_does_not_retire() -> None:
    assert ids(ROUTE.stops(view(Goal.MIGRATE))) == ["preflight", "channel", "cutover"]


def test_a_reverse_is_a_leg_of_its_own_that_closes_the_leg_before_it() -> None:
    stops = ROUTE.stops(view(Goal.REVERSE, "target", **PREPARED, cutover=Status.DONE))
    assert ids(stops) == ["preflight", "channel", "cutover", "cutover.2"]
    assert (stops[-1].flow, stops[-1].closes) == (Flow.REVERSE, ("cutover",))


def test_a_leg_that_flipped_and_crashed_before_its_record_keeps_its_direction() -> None:
    crashed = view(Goal.REVERSE, "source", **PREPARED, cutover=Status.DONE, **{"cutover.2": Status.STARTED})
    stops = ROUTE.stops(crashed)
    assert ids(stops)[-1] == "cutover.2"
    assert stops[-1].flow is Flow.REVERSE


@pytest.mark.parametrize("goal", (Goal.MIGRATE, Goal.REVERSE))
def test_a_goal_that_is_reached_adds_no_leg(goal: Goal) -> None:
    legs = {"cutover": Status.DONE} | ({"cutover.2": Status.DONE} if goal is Goal.REVERSE else {})
    reached = view(goal, "target" if goal is Goal.MIGRATE else "source", **PREPARED, **legs)
    assert [stop.id for stop in ROUTE.stops(reached) if reached.step(stop.id).status is not Status.DONE] == []


def test_after_a_reverse_a_new_cutover_is_the_third_leg_and_goes_forward() -> None:
    reversed_ = view(Goal.CUTOVER, "source", **PREPARED, cutover=Status.DONE, **{"cutover.2": Status.DONE})
    last = ROUTE.stops(reversed_)[-1]
    assert (last.id, last.flow, last.closes) == (leg_id("cutover", 3), Flow.FORWARD, ("cutover.2",))


def test_only_the_last_leg_lasts_and_retire_closes_it() -> None:
    flipped = view(
        Goal.COMPLETE, "target", **PREPARED, cutover=Status.DONE, **{"cutover.2": Status.DONE, "cutover.3": Status.DONE}
    )
    assert ids(ROUTE.lasting(flipped)) == ["preflight", "cutover.3"]
    (retire,) = ROUTE.stops(flipped)
    assert (retire.id, retire.closes) == ("retire", ("cutover.3",))


def test_an_unwind_goes_through_what_began_last_first_and_not_through_what_was_skipped() -> None:
    touched = view(
        Goal.CANCEL,
        "source",
        preflight=Status.DONE,
        channel=Status.SKIPPED,
        cutover=Status.DONE,
        **{"cutover.2": Status.FAILED},
    )
    assert ids(ROUTE.touched(touched)) == ["cutover.2", "cutover", "preflight"]


def test_what_is_undone_is_not_undone_again() -> None:
    half = view(Goal.CANCEL, "source", preflight=Status.DONE, channel=Status.UNDONE, cutover=Status.UNDO_FAILED)
    assert ids(ROUTE.touched(half)) == ["cutover", "preflight"]


def test_every_flip_to_the_target_has_a_soak_of_its_own() -> None:
    at = {flips: msgspec.structs.replace(view(Goal.CUTOVER, "target"), flips=flips) for flips in (1, 2, 3, 5)}
    assert {flips: ids(ROUTE.soak(one)) for flips, one in at.items()} == {
        1: ["soak"],
        2: ["soak"],
        3: ["soak.2"],
        5: ["soak.3"],
    }
    assert ROUTE.uses(at[3])["soak.2"] == "soak"


def test_gates_are_for_the_first_leg() -> None:
    from portability.model.recipe import Gate

    gated = msgspec.structs.replace(STEPS[2][0], gates=[Gate(name="window")])
    route = Route(plan=None, steps=(*STEPS[:2], (gated, STEPS[2][1]), *STEPS[3:]))  # type: ignore[arg-type]
    back = route.stops(view(Goal.REVERSE, "target", **PREPARED, cutover=Status.DONE))
    assert [len(stop.spec.gates) for stop in back[-2:]] == [1, 0]
