"""The cutover killed at every call, in a whole run with an application that writes all the time."""

from __future__ import annotations

import pytest

from portability.model.status import Goal, RunState
from tests.steps_data.run_world import Estate42, Killed, Process


def clean_traps() -> list[str]:
    process = Process(Estate42())
    process.go()
    return process.traps


def test_a_clean_run_flips_once_and_loses_nothing() -> None:
    estate = Estate42()
    view = Process(estate).go()
    assert view.state is RunState.SOAKING
    assert estate.flips == ["target"]
    estate.check_end("target")


def test_a_run_killed_at_any_call_of_the_cutover_resumes_to_the_same_world() -> None:
    for number, label in enumerate(clean_traps()):
        estate = Estate42()
        with pytest.raises(Killed):
            Process(estate, kill_at=number).go()
        view = Process(estate).go()
        assert view.state is RunState.SOAKING, (number, label)
        assert estate.flips == ["target"], (number, label)
        estate.check_end("target")
