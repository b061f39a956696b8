"""An operator asks for something else while a leg is half done: the run ends where it was asked to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from portability import errors
from portability.aws.attributes import RawItem
from portability.engine.runner import Options
from portability.engine.stop import Stop
from portability.model.recipe import Gate, StepHooks
from portability.model.status import Fact, Goal, RunState
from portability.steps.directory import STAMP
from portability.stores.base import ChannelState
from portability.stores.dynamodb.layout import Layout
from portability.stores.dynamodb.pattern import Pattern
from portability.stores.dynamodb.plane import Plane
from portability.stores.dynamodb.reading import foreign
from tests.steps_data.moments import at, facts, prescribed
from tests.steps_data.run_plan import TENANT
from tests.steps_data.run_world import Estate42, Killed, Process
from tests.steps_data.test_cut_over_crash import moved


def interrupted_after_the_flip(estate: Estate42 | None = None) -> Estate42:
    """The target serves, and the leg that made it so is not settled."""
    estate = estate or Estate42()
    process = Process(estate)
    at(process, "cut-over", "asleep", lambda: process.stop.request(2) if estate.flips else None, once=False)
    with pytest.raises(errors.Interrupted):
        process.go()
    assert estate.flips == ["target"]
    return estate


def refused_reverse() -> Estate42:
    """The target serves; a reverse was asked for, and its pause was taken back."""
    estate = moved()
    process = Process(estate)
    at(process, "cut-over.2", "after drain Order-reverse", lambda: process.stop.request(2))
    with pytest.raises(errors.Interrupted):
        process.go(Goal.REVERSE)
    assert estate.flips == ["target"]
    return estate


def test_a_reverse_asked_for_before_the_flip_is_settled_goes_back_all_the_same() -> None:
    estate = interrupted_after_the_flip()
    view = Process(estate).go(Goal.REVERSE)
    assert (view.state, view.serving) == (RunState.REVERSED, "source")
    assert estate.flips == ["target", "source"]
    estate.check_end("source")


@pytest.mark.parametrize("goal", (None, Goal.REVERSE))
@pytest.mark.parametrize("by", ("gate", "hook"))
def test_what_must_hold_before_a_flip_does_not_hold_up_the_leg_that_has_flipped(
    goal: Goal | None, by: str, tmp_path: Path
) -> None:
    agreed = tmp_path / "agreed"
    agreed.touch()
    estate = Estate42()
    gates = [Gate(name="evidence", with_={"file": str(agreed)})] if by == "gate" else []
    hooks = StepHooks(before=["test", "-f", str(agreed)]) if by == "hook" else StepHooks()
    prescribed(estate, "cut-over", gates=gates, hooks=hooks)
    interrupted_after_the_flip(estate)
    if goal is None:
        agreed.unlink()
        assert Process(estate).go().state is RunState.SOAKING
        estate.check_end("target")
        return
    process = Process(estate)
    # Gone before the first leg is gone on with; the second has a flip, and so a hook, of its own.
    agreed.unlink()
    at(process, "cut-over", "before append", agreed.touch, once=False)
    assert process.go(goal).state is RunState.REVERSED
    estate.check_end("source")


def test_a_reverse_that_has_not_flipped_is_given_up_by_asking_for_the_cutover() -> None:
    estate = refused_reverse()
    view = Process(estate).go(Goal.CUTOVER)
    assert (view.state, view.serving, estate.flips) == (RunState.SOAKING, "target", ["target"])
    view = Process(estate).go(Goal.REVERSE)
    assert (view.state, view.serving, estate.flips) == (RunState.REVERSED, "source", ["target", "source"])
    estate.check_end("source")


def test_a_reverse_that_was_given_up_can_be_completed() -> None:
    estate = refused_reverse()
    Process(estate).go(Goal.CUTOVER)
    view = Process(estate).go(Goal.COMPLETE)
    assert view.state is RunState.COMPLETED
    assert STAMP not in estate.record
    assert estate.world.source.items == {}
    estate.check_end("target")


@pytest.mark.parametrize("elsewhere", (False, True))
def test_a_reverse_killed_at_any_call_and_given_up_ends_with_the_target_serving(*, elsewhere: bool) -> None:
    number = 0
    while True:
        estate = Estate42(elsewhere=elsewhere)
        Process(estate).go()
        killed = Process(estate, kill_at=number, trap_from="cut-over.2")
        try:
            killed.go(Goal.REVERSE)
        except Killed:
            view = Process(estate).go(Goal.CUTOVER)
            assert (view.state, view.serving) == (RunState.SOAKING, "target")
            estate.check_end("target")
            number += 5
        else:
            return


def killed_inside_the_fence(estate: Estate42, goal: Goal | None = None, step: str = "cut-over") -> None:
    def die() -> None:
        process.dead = True
        raise Killed

    process = Process(estate)
    at(process, step, f"before drain Order-{'forward' if step == 'cut-over' else 'reverse'}", die)
    with pytest.raises(Killed):
        process.go(goal)
    assert estate.record[STAMP]["M"]["fenced"]["BOOL"] is True


def test_a_resume_lifts_a_fence_before_it_does_anything_that_may_fail() -> None:
    estate = Estate42()
    killed_inside_the_fence(estate)
    process = Process(estate)

    def fail(label: str) -> None:
        if label == "before pin Order-forward":
            raise errors.Unavailable("no stream", operation="dynamodb.DescribeTable", aws_code="InternalServerError")

    process.on_trap = fail
    with pytest.raises(errors.StepFailed):
        process.go()
    assert estate.record[STAMP]["M"]["fenced"]["BOOL"] is False
    assert facts(estate)[-2:] == [Fact.UNFENCED, Fact.PARKED]
    Process(estate).go()
    estate.check_end("target")


@pytest.mark.parametrize("goal", (Goal.CUTOVER, Goal.REVERSE, None))
def test_a_fence_of_a_reverse_is_lifted_whatever_is_asked_for_next(goal: Goal | None) -> None:
    estate = moved()
    killed_inside_the_fence(estate, Goal.REVERSE, "cut-over.2")
    process = Process(estate)
    process.stop = Stop()
    process.go(goal)
    estate.check_end("target" if goal is Goal.CUTOVER else "source")
    opened = [line for line in process.move.history if line.startswith("Order-reverse ")]
    assert opened[0] == f"Order-reverse {ChannelState.SYNC.value}"


def test_what_stops_a_run_says_to_resume_that_run_and_not_the_same_command() -> None:
    estate = Estate42()
    process = Process(estate)

    def fail(label: str) -> None:
        if label == "before pin Order-forward":
            raise errors.Unauthorised("the credentials have expired", next=f"renew them, then {errors.AGAIN}")

    process.on_trap = fail
    with pytest.raises(errors.Unauthorised) as refused:
        process.go()
    assert refused.value.next == "renew them, then portability resume r-01HZ0000000000000000000001"


@pytest.mark.parametrize("moment", ("settling", "soaking"))
def test_a_run_that_pauses_while_the_target_serves_says_so(moment: str) -> None:
    estate = Estate42()
    process, options = Process(estate), Options(wait_soak=True)
    paused_in = "cut-over" if moment == "settling" else "soak"
    at(process, paused_in, "asleep", lambda: process.stop.request() if estate.flips else None, once=False)
    with pytest.raises(errors.Parked) as parked:
        process.go(options=options)
    assert parked.value.changed == "The target serves; nothing is frozen."


def test_a_step_past_its_deadline_while_the_target_serves_says_so() -> None:
    estate = Estate42()
    prescribed(estate, "soak", deadline="1m")
    with pytest.raises(errors.StepFailed, match="deadline") as failed:
        Process(estate).go(options=Options(wait_soak=True))
    assert failed.value.changed == "The target serves."


@pytest.mark.parametrize("found", ("unplaced", "foreign"))
def test_an_item_that_stops_a_run_while_the_target_serves_says_so(found: str) -> None:
    estate = moved()
    process = Process(estate)
    layout = Layout("Order", TENANT, Pattern("{tenant}-{suffix}"), "pk", "sk", (1, 3))
    strange = cast("RawItem", {"pk": {"S": "tenant-43-1"}, "sk": {"S": "1"}})

    def find() -> None:
        plane = cast("Plane", SimpleNamespace(table="Order-tenant-42", layout=layout))
        raise layout.unplaced(strange) if found == "unplaced" else foreign(plane, strange)

    at(process, "soak", "asleep", find)
    with pytest.raises(errors.Mismatch) as stopped:
        process.go(options=Options(wait_soak=True))
    assert stopped.value.changed == "The target serves; the run stopped."


def stuck(monkeypatch: pytest.MonkeyPatch) -> Estate42:
    """A cancel whose undo failed."""
    from portability.steps.open_channel import OpenChannel

    def refuse(*_: object) -> None:
        raise errors.StepFailed("not today", next=errors.AGAIN)

    estate = Estate42()
    process = Process(estate)
    hold: Callable[[], None] = lambda: process.stop.request(2)  # noqa: E731 - one effect, named
    at(process, "copy-data", "before append", hold)
    with pytest.raises(errors.Interrupted):
        process.go()
    with monkeypatch.context() as patched:
        patched.setattr(OpenChannel, "undo", refuse)
        with pytest.raises(errors.UnwindIncomplete):
            Process(estate).go(Goal.CANCEL)
    assert Process(estate).journal().view("r-01HZ0000000000000000000001").state is RunState.STUCK
    return estate


def test_a_stuck_run_is_taken_back_by_a_resume_too(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = stuck(monkeypatch)
    view = Process(estate).go()
    assert view.state is RunState.UNWOUND
    estate.check_end("source")
