"""The state machine on DynamoDB Local: fewer rules and troubles, the product's own store, streams and journal."""

from __future__ import annotations

import sys
import uuid

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.machine.story import Story
from tests.machine.tables import Tables
from tests.machine.trouble import HERE, Fine, Kill, Park, Refuse, Trouble, Unheard

CALLS = 90
"""About as many calls that change something as a whole run makes."""

calls = st.integers(0, CALLS)
trouble = st.one_of(
    st.just(Fine()),
    st.builds(Kill, at=calls),
    st.builds(Refuse, at=calls, error=st.sampled_from(("Throttled", "Unavailable")), times=st.sampled_from((1, 3))),
    st.builds(Unheard, at=calls, landed=st.just("never")),
    st.builds(Park, at=calls, signal=st.sampled_from((None, 15))),
)


def open_run(machine: TableMachine) -> bool:
    """Whether a run of the tenant is open."""
    return machine.tables.open()


def not_moved(machine: TableMachine) -> bool:
    """Whether the tenant could be asked to move."""
    return machine.tables.open() or machine.tables.serving == "source"


class TableMachine(RuleBasedStateMachine):
    """One example; each has tables of its own."""

    tables: Tables
    story: Story

    @initialize(seed=st.integers(0, 2**16), items=st.integers(1, 12))
    def begin(self, seed: int, items: int) -> None:
        self.tables = Tables(f"t{uuid.uuid4().hex[:12]}", seed, items)
        self.story = Story(self.tables)

    @rule(key=st.integers(0, 7), deletes=st.booleans())
    def write(self, key: int, deletes: bool) -> None:
        self.tables.write(key, deletes=deletes)

    @precondition(not_moved)
    @rule(trouble=trouble)
    def migrate(self, trouble: Trouble) -> None:
        self.say("migrate", trouble)

    @precondition(open_run)
    @rule(trouble=trouble)
    def resume(self, trouble: Trouble) -> None:
        self.say("resume", trouble)

    @precondition(open_run)
    @rule(trouble=trouble)
    def reverse(self, trouble: Trouble) -> None:
        self.say("reverse", trouble)

    @precondition(open_run)
    @rule(trouble=trouble)
    def cancel(self, trouble: Trouble) -> None:
        self.say("cancel", trouble)

    @precondition(open_run)
    @rule(trouble=trouble)
    def complete(self, trouble: Trouble) -> None:
        self.say("complete", trouble)

    def say(self, verb: str, trouble: Trouble) -> None:
        self.story.say(verb, trouble, HERE)
        note(self.story.turns[-1])

    @invariant()
    def holds(self) -> None:
        self.story.holds()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.story.end()
        finally:
            if hasattr(self, "tables"):
                self.tables.close()
