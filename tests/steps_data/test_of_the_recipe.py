"""What a recipe says around a step, in a whole run: how often it is tried again, its hooks, two of one kind."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, cast

import msgspec
import pytest

from portability import errors
from portability.engine.context import Observation
from portability.engine.preview import facts
from portability.model.recipe import RetrySpec, StepHooks, StepSpec
from portability.model.status import Goal, RunState, Status
from portability.steps.base import Context, Observe, Step
from tests.steps_data.fake_store import UNITS
from tests.steps_data.moments import at, prescribed
from tests.steps_data.run_plan import RUN, Staged
from tests.steps_data.run_world import Estate42, Killed, Process


@dataclass(frozen=True)
class Own(Staged):
    """A step of another package: it rests on facts, and leaves something to take away."""

    uses: ClassVar[str] = "own"
    about: str = ""
    ended: list[str] = field(default_factory=list)

    def facts(self, _: Observe) -> dict[str, str]:
        return {"about": self.about}

    def end(self, ctx: Context) -> None:
        self.ended.append(ctx.step)


NO_ANSWER = (
    errors.EndpointDown("no answer", next="portability doctor"),
    errors.Unavailable("no stream", operation="dynamodb.DescribeTable", aws_code="InternalServerError"),
)


@pytest.mark.parametrize("error", NO_ANSWER, ids=lambda error: type(error).__name__)
def test_a_service_that_does_not_answer_is_asked_again_as_often_as_the_recipe_says(
    error: errors.PortabilityError,
) -> None:
    world = Estate42()
    prescribed(world, "copy-data", retry=RetrySpec(attempts=2))
    process = Process(world)

    def fail() -> None:
        raise error

    at(process, "copy-data", f"before page {UNITS[0]}", fail)
    view = process.go()
    assert (view.state, view.step("copy-data").attempts) == (RunState.SOAKING, 2)
    world.check_end("target")


def counting(log: Path, *, until: int) -> list[str]:
    """A command that writes down each call with its step and fails before the `until`th."""
    script = "import json, sys; f = open(sys.argv[1], 'a+'); print(json.load(sys.stdin)['step'], file=f); f.seek(0); "
    return [sys.executable, "-c", f"{script}sys.exit(len(f.readlines()) < {until})", str(log)]


@pytest.mark.parametrize("step", ("open-channel", "copy-data", "cut-over"))
def test_a_hook_that_failed_after_its_step_is_run_again_by_a_resume(step: str, tmp_path: Path) -> None:
    world, log = Estate42(), tmp_path / "calls"
    prescribed(world, step, hooks=StepHooks(after=counting(log, until=2)))
    with pytest.raises(errors.StepFailed, match="exited 1"):
        Process(world).go()
    assert Process(world).journal().view(RUN).step(step).status is Status.FAILED
    assert Process(world).go().state is RunState.SOAKING
    assert log.read_text().split() == [step, step]
    world.check_end("target")


def test_a_process_killed_before_its_step_was_done_runs_the_hook_after_it_again(tmp_path: Path) -> None:
    world, log = Estate42(), tmp_path / "calls"
    prescribed(world, "copy-data", hooks=StepHooks(after=counting(log, until=1)))
    process = Process(world)

    def die() -> None:
        if log.exists():
            process.dead = True
            raise Killed

    at(process, "copy-data", "before append", die, once=False)
    with pytest.raises(Killed):
        process.go()
    assert Process(world).go().state is RunState.SOAKING
    assert log.read_text().split() == ["copy-data", "copy-data"]


def test_a_flip_whose_hook_keeps_failing_can_be_reversed(tmp_path: Path) -> None:
    world, log = Estate42(), tmp_path / "calls"
    prescribed(world, "cut-over", hooks=StepHooks(after=counting(log, until=2)))
    with pytest.raises(errors.StepFailed) as failed:
        Process(world).go()
    assert failed.value.changed == "The target serves; the step is not done."
    view = Process(world).go(Goal.REVERSE)
    assert (view.state, world.flips) == (RunState.REVERSED, ["target", "source"])
    assert log.read_text().split() == ["cut-over", "cut-over.2"]
    world.check_end("source")


def test_two_steps_of_one_kind_are_both_ended() -> None:
    world, ended = Estate42(), list[str]()
    twice = [StepSpec(id=name, uses="own") for name in ("own", "own-again")]
    world.plan = msgspec.structs.replace(world.plan, steps=[*twice, *world.plan.steps])
    process = Process(world)
    built = process.steps()
    process.steps = lambda: [*built, cast("Step", Own(ended=ended))]  # type: ignore[method-assign]
    process.go()
    assert process.go(Goal.COMPLETE).state is RunState.COMPLETED
    assert sorted(ended) == ["own", "own-again"]


def test_a_plan_has_the_facts_of_each_of_two_steps_of_one_kind() -> None:
    world = Estate42()
    process = Process(world)
    seen = Observation(plan=world.plan, aws=process.aws, moves=[], clock=world.clock, retry=process.retry)
    steps = [(name, cast("Step", Own(about))) for name, about in (("own", "one"), ("own-again", "another"))]
    assert facts(seen, steps) == {"own": {"about": "one"}, "own own-again": {"about": "another"}}
    assert facts(seen, steps[1:]) == {"own": {"about": "another"}}, "a saved plan's, where there is one of a kind"
