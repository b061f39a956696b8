"""A sample of the machine, drawn anew for every commit. `make crash ROW=R19` runs all of it."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.machine.campaign import run
from tests.machine.story import Story
from tests.machine.town import Shape, Town
from tests.machine.trouble import Kill

EXAMPLES = 60


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
