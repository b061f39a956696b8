"""The machine run for a number of examples: `run(seed, examples)` says what broke, or None."""

from __future__ import annotations

from typing import cast
from unittest.mock import patch

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from portability.steps import unit_pool
from tests.machine.machine import Machine

RULES = 7
"""At most so many rules an example; what is open is driven to its end after them."""


def run(
    seed: int, examples: int, *, machine: type[RuleBasedStateMachine] = Machine, rules: int = RULES, shrink: bool = True
) -> str | None:
    """Run `examples` of the machine; the shrunk counterexample as a script of rules, None where nothing broke."""
    counted = _counted(machine)
    seeded = hypothesis.seed(seed)(counted)
    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=rules,
        database=None,
        deadline=None,
        derandomize=False,
        phases=phases,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        # Time is virtual: what a real clock would begin in the midst of a page begins behind it, as in every replay.
        with patch.object(unit_pool, "SOON", unit_pool.EVERY):
            run_state_machine_as_test(seeded, settings=settings)
    except Exception as error:  # noqa: BLE001 - whatever an example ends with is what was looked for
        notes = "\n".join(getattr(error, "__notes__", ()))
        return f"{type(error).__name__}: {error}\n{notes}\nexample {counted.begun} of seed {seed}"
    return None


class Counted(RuleBasedStateMachine):
    """A machine that counts its examples."""

    begun = 0


def _counted(machine: type[RuleBasedStateMachine]) -> type[Counted]:
    def begin(self: Counted) -> None:
        type(self).begun += 1
        machine.__init__(self)

    return cast("type[Counted]", type(machine.__name__, (machine,), {"begun": 0, "__init__": begin}))
