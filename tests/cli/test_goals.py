"""What an operator may ask of a run, by where it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from portability import errors
from portability.cli.operations import allow
from portability.model.run import RunView
from portability.model.status import Goal, RunState

HEADER: Any = SimpleNamespace(run="r-1", tenant="tenant-42")


def view(state: RunState, goal: Goal, serving: str = "target") -> RunView:
    return RunView(header=HEADER, state=state, goal=goal, serving=serving)


@pytest.mark.parametrize(
    ("state", "goal", "way_out"),
    (
        (RunState.PARKED, Goal.MIGRATE, "portability resume r-1"),  # flipped, and a slip was seen
        (RunState.RUNNING, Goal.MIGRATE, "portability resume r-1"),  # flipped, and the process is gone
        (RunState.PARKED, Goal.REVERSE, "portability run cutover r-1"),  # maybe fenced
        (RunState.REVERSED, Goal.REVERSE, "portability run cutover r-1"),
    ),
)
def test_nothing_is_completed_that_does_not_soak(state: RunState, goal: Goal, way_out: str) -> None:
    with pytest.raises(errors.UsageMistake) as refused:
        allow(view(state, goal), Goal.COMPLETE)
    assert refused.value.next == way_out


@pytest.mark.parametrize(
    ("state", "goal"),
    (
        (RunState.SOAKING, Goal.MIGRATE),
        (RunState.SOAKING, Goal.CUTOVER),
        (RunState.PARKED, Goal.COMPLETE),
        (RunState.RUNNING, Goal.COMPLETE),
    ),
)
def test_what_soaks_is_completed_and_a_completion_goes_on(state: RunState, goal: Goal) -> None:
    allow(view(state, goal), Goal.COMPLETE)
