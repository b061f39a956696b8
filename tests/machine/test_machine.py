"""A sample of the machine, drawn anew for every commit. `make crash ROW=R19` runs all of it."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from portability.errors import UsageMistake
from portability.model.status import RunState
from tests.machine.campaign import run
from tests.machine.story import Story
from tests.machine.town import Shape, Town
from tests.machine.trouble import DIRECTORY, THERE, Kill, Refuse

EXAMPLES = 300
CALLS_OF_THE_DIRECTORY = 16
"""At least as many as a run sends up to its soak."""


def test_no_order_of_commands_faults_and_crashes_breaks_an_invariant_or_leaves_a_run_that_does_not_end(
    seed: int,
) -> None:
    failure = run(seed, EXAMPLES)
    assert failure is None, failure


class Broken(RuleBasedStateMachine):
    """A machine that loses writes."""

    def __init__(self) -> None:
        super().__init__()
        self.town = Town(Shape())

    @rule()
    def migrate(self) -> None:
        Story(self.town).say("migrate")

    @rule(at=st.booleans())
    def lose(self, at: bool) -> None:
        self.town.world.source.items.clear()
        Story(self.town).holds()


def test_a_counterexample_is_printed_as_a_script_of_rules(seed: int) -> None:
    failure = run(seed, 20, machine=Broken, rules=3)
    assert failure is not None
    assert "I1: the source serves and is wrong about" in failure
    assert "state = Broken()\nstate.lose(at=False)" in failure


def test_a_run_killed_half_way_is_driven_to_its_end_by_commands_alone() -> None:
    town = Town(Shape(seed=1))
    story = Story(town)
    killed = story.say("migrate", Kill(60))
    assert killed.dead
    story.holds()
    story.end()
    assert town.serving == "target"
    assert town.old.items == {}


@pytest.mark.parametrize("verb", ("resume", "repair"))
@pytest.mark.parametrize("guardian", ("gone", "late"))
@pytest.mark.parametrize("when", ("before", "after", "late"))
def test_killed_at_any_call_of_the_directory_no_verb_of_another_host_leaves_the_tenant_paused(
    when: str, guardian: str, verb: str
) -> None:
    for at in range(CALLS_OF_THE_DIRECTORY):
        story = Story(Town(Shape(items=0, attempts=1)))
        story.say("migrate", Kill(at, when=when, guardian=guardian, later=0, on=DIRECTORY))
        story.holds()
        story.say(verb, host=THERE)
        story.holds()
        story.end()


@pytest.mark.parametrize("verb", ("cutover", "reverse", "complete"))
def test_a_run_that_is_being_cancelled_takes_no_other_verb_and_names_cancel(verb: str) -> None:
    story = Story(Town(Shape()))
    story.say("postponed")
    story.say("cancel", Refuse(2, error="BadRequest"))
    before = story.town.entries()
    said = story.say(verb)
    assert isinstance(said.error, UsageMistake)
    assert said.error.next == f"portability cancel {story.town.run}"
    assert story.town.entries() == before
    story.say("cancel")
    assert story.town.view().state is RunState.UNWOUND
