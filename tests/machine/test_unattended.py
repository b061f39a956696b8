"""Three days of virtual time without a human. `make crash ROW=R23` has more seeds."""

from __future__ import annotations

from tests.machine.unattended import HOURS, REPLACED, unattended

SEEDS = 2


def test_a_run_that_nobody_attends_is_completed_by_ticks_and_loses_nothing(seed: int) -> None:
    for number in range(seed, seed + SEEDS):
        found = unattended(number)
        assert found.runners >= REPLACED, number
        assert found.hours >= HOURS, number
        assert found.killed > 5, number
        assert found.written > 100, number
