"""Whatever goes wrong inside the fence, the tenant writes again, and soon."""

from __future__ import annotations

import pytest

from portability import errors
from portability.steps.cutover import drain
from portability.steps.directory import STAMP
from tests.steps_data.moments import at
from tests.steps_data.run_plan import estate
from tests.steps_data.run_world import Estate42, Process


def test_a_stop_is_heard_while_the_fence_takes_effect() -> None:
    world = Estate42(estate(effective_within="4s", freeze_max="8s"))
    process = Process(world)
    raised: list[float] = []

    def stop() -> None:
        if world.stamps[-1][0] == "fenced":
            raised.append(world.clock.now())
            process.stop.request(15)

    at(process, "cut-over", "asleep", stop, once=False)
    with pytest.raises(errors.Interrupted):
        process.go()
    assert world.stamps[-1][0] == "lifted"
    assert world.clock.now() - raised[0] < 2.0
    assert "Order-forward drained" not in process.move.history
    world.check_end("source")


def test_a_fence_is_lifted_however_long_the_directory_does_not_answer() -> None:
    world = Estate42()
    process = Process(world)
    refused: list[str] = []

    def out(label: str) -> None:
        if label == "after drain Order-forward":
            process.stop.request(15)
        elif label == "before update" and process.stop.requested and len(refused) < 30:
            refused.append(label)
            raise errors.Unavailable("down", operation="dynamodb.UpdateItem", aws_code="InternalServerError")

    process.trap_from = "cut-over"
    process.on_trap = out
    with pytest.raises(errors.Interrupted):
        process.go()
    assert len(refused) == 30
    assert world.record[STAMP]["M"]["fenced"]["BOOL"] is False
    world.check_end("source")


def test_a_long_comparison_inside_the_fence_ends_with_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "PART", 1)
    world = Estate42(estate(attempts=1))
    process = Process(world)
    compared: list[str] = []

    def slow(label: str) -> None:
        if label == "before compare_keys":
            compared.append(label)
            world.clock.sleep(3.0)
        elif label == "before canary":
            for number in range(6):
                world._app_write(f"order-{number}", 5000 + number)

    process.trap_from = "cut-over"
    process.on_trap = slow
    world.clock.each = lambda: None
    with pytest.raises(errors.Parked):
        process.go()
    assert len(compared) == 2, "the comparison went on though the pause was over"
    assert world.stamps[-1][0] == "lifted"
    world.check_end("source")
