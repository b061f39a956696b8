"""The state machine: an operator's commands, the application's writes and all that may befall them, in any order.

After every rule the invariants are held against the world; at the end whatever run is open is driven to an end by
commands alone. A counterexample prints as a script of rules: `state.migrate(trouble=Kill(at=31, …))`.
"""

from __future__ import annotations

import sys

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.machine.story import Story
from tests.machine.town import Shape, Town
from tests.machine.trouble import HOSTS, Trouble, troubles
from tests.machine.turn import Turn
from tests.machine.verbs import VERBS

shapes = st.builds(
    Shape,
    elsewhere=st.booleans(),
    items=st.integers(0, 6),
    busy=st.sampled_from((0.5, 1.0, 0.1, 0.0)),
    attempts=st.integers(1, 2),
    off=st.sampled_from((0.0, 3600.0, -3600.0, 86400.0, -86400.0)),
    seed=st.integers(0, 2**16),
)
trouble = troubles(tuple(VERBS))
hosts = st.sampled_from(HOSTS)
keys = st.integers(0, 7)


def open_run(machine: Machine) -> bool:
    """Whether a run of the tenant is open."""
    return machine.town.open()


def not_moved(machine: Machine) -> bool:
    """Whether the tenant could be asked to move."""
    return machine.town.open() or machine.town.serving == "source"


class Machine(RuleBasedStateMachine):
    """One example."""

    town: Town
    story: Story

    @initialize(shape=shapes)
    def begin(self, shape: Shape) -> None:
        self.town = Town(shape)
        self.story = Story(self.town)

    # ------------------------------------------------------------------------------------------------- the application

    @rule(key=keys, deleted=st.booleans())
    def write(self, key: int, deleted: bool) -> None:
        self.town.write(f"order-{key}", None if deleted else next(self.town.values))

    @rule(seconds=st.sampled_from((1, 120, 7200, 90000)))
    def wait(self, seconds: int) -> None:
        self.town.clock.sleep(seconds)
        self.town.app()

    @precondition(open_run)
    @rule(key=keys)
    def corrupt(self, key: int) -> None:
        if self.town.old.items and not self.town.slips:
            self.town.corrupt(f"order-{key}")

    # ----------------------------------------------------------------------------------------------------- the commands

    @precondition(not_moved)
    @rule(trouble=trouble, host=hosts)
    def migrate(self, trouble: Trouble, host: str) -> None:
        self.say("migrate", trouble, host)

    @precondition(not_moved)
    @rule(trouble=trouble, host=hosts)
    def migrate_postponed(self, trouble: Trouble, host: str) -> None:
        self.say("postponed", trouble, host)

    @precondition(open_run)
    @rule(trouble=trouble, host=hosts)
    def resume(self, trouble: Trouble, host: str) -> None:
        self.say("resume", trouble, host)

    @precondition(open_run)
    @rule(trouble=trouble, host=hosts)
    def tick(self, trouble: Trouble, host: str) -> None:
        self.say("tick", trouble, host)

    @precondition(open_run)
    @rule(trouble=trouble, host=hosts)
    def cutover(self, trouble: Trouble, host: str) -> None:
        self.say("cutover", trouble, host)

    @precondition(open_run)
    @rule(trouble=trouble, host=hosts)
    def reverse(self, trouble: Trouble, host: str) -> None:
        self.say("reverse", trouble, host)

    @precondition(open_run)
    @rule(trouble=trouble, host=hosts)
    def cancel(self, trouble: Trouble, host: str) -> None:
        self.say("cancel", trouble, host)

    @precondition(open_run)
    @rule(trouble=trouble, host=hosts)
    def complete(self, trouble: Trouble, host: str) -> None:
        self.say("complete", trouble, host)

    @precondition(open_run)
    @rule(trouble=trouble, host=hosts)
    def verify_repair(self, trouble: Trouble, host: str) -> None:
        self.say("repair", trouble, host)

    @precondition(open_run)
    @rule()
    def lock_break(self) -> None:
        Turn(self.town).broken_by_operator()

    @precondition(open_run)
    @rule()
    def plan_again(self) -> None:
        """A look at everything changes nothing."""
        turn = Turn(self.town)
        before = turn.fingerprint()
        turn.preview()
        assert turn.fingerprint() == before, "I8: a preview had an effect"

    def say(self, verb: str, trouble: Trouble, host: str) -> None:
        self.story.say(verb, trouble, host)
        note(self.story.turns[-1])

    @invariant()
    def holds(self) -> None:
        self.story.holds()

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.story.end()
