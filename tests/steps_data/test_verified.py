"""A verification tells what differs, and not what is on its way."""

from __future__ import annotations

import pytest

from portability import errors
from portability.model.status import RunState
from tests.steps_data.moments import at
from tests.steps_data.run_world import Estate42, Process


@pytest.mark.parametrize("value", (31, None))
def test_a_change_that_is_on_its_way_while_its_channel_stands_still_is_no_difference(value: int | None) -> None:
    world = Estate42()
    process = Process(world)

    def change() -> None:
        process.move.stalled, world.writing = True, False
        world._app_write("order-1", value)
        at(process, "verify-data", "before settle Order-forward", go_on)

    def go_on() -> None:
        process.move.stalled = False

    at(process, "verify-data", "before compare u0", change)
    view = process.go()
    assert view.state is RunState.SOAKING
    assert view.step("verify-data").attempts == 1
    world.check_end("target")


def test_a_difference_of_which_no_channel_tells_stops_the_run() -> None:
    world = Estate42()
    process = Process(world)

    def change() -> None:
        world.world.target.items["order-1"] = 999_999
        world._app_write("order-3", 31)

    at(process, "verify-data", "before compare u0", change)
    world.writing = False
    with pytest.raises(errors.Mismatch, match="the sides differ; Order: 1 differs"):
        process.go()
    world.check_end("source")
