"""A cutover that an operator put off waits for an operator, whichever process comes by."""

from __future__ import annotations

import msgspec
import pytest

from portability import errors
from portability.engine.runner import Options
from portability.model.status import Goal, RunState, Status
from tests.steps_data.moments import at
from tests.steps_data.run_plan import RUN
from tests.steps_data.run_world import Estate42, Killed, Process

PUT_OFF = Options(postpone_cutover=True)


def stays_put(world: Estate42, goes_on: Options) -> None:
    with pytest.raises(errors.Parked) as parked:
        Process(world).go(options=goes_on)
    assert (parked.value.exit_code, parked.value.next) == (7, f"portability run cutover {RUN}")
    assert world.flips == []
    world.check_end("source")


@pytest.mark.parametrize("goes_on", (Options(), Options(tick=60.0), Options(wait_soak=True)))
def test_a_postponed_run_that_was_killed_stops_before_its_cutover_however_it_goes_on(goes_on: Options) -> None:
    world = Estate42()
    with pytest.raises(Killed):
        Process(world, kill_at=3, trap_from="copy-data").go(options=PUT_OFF)
    stays_put(world, goes_on)
    stays_put(world, goes_on)
    view = Process(world).go(Goal.CUTOVER)
    assert (view.state, view.postponed, world.flips) == (RunState.SOAKING, False, ["target"])


def test_a_run_begun_postponed_is_so_from_its_first_entry_on() -> None:
    world = Estate42()
    with pytest.raises(Killed):
        Process(world, kill_at=0, trap_from="stage-config").go()
    journal = Process(world).journal()
    begun = msgspec.structs.replace(journal.header(RUN), run="r-2", tenant="tenant-2", postponed=True)
    begun = msgspec.structs.replace(begun, plan=msgspec.structs.replace(begun.plan, digest="e" * 64))
    assert journal.start(begun, Process(world).holder(), write_id="w2").view().postponed is True
    assert journal.view("r-2").postponed is True


def test_a_parked_run_can_be_put_off_and_stays_so() -> None:
    world = Estate42()
    process = Process(world)
    at(process, "copy-data", "before append", lambda: process.stop.request(2))
    with pytest.raises(errors.Interrupted):
        process.go()
    stays_put(world, PUT_OFF)
    stays_put(world, Options())
    Process(world).go(Goal.CUTOVER)
    world.check_end("target")


def test_a_reverse_is_not_what_was_put_off() -> None:
    world = Estate42()
    Process(world).go()
    view = Process(world).go(Goal.REVERSE, PUT_OFF)
    assert (view.state, view.postponed) == (RunState.REVERSED, False)


def test_a_reverse_that_has_flipped_is_settled_before_the_next_cutover_is_put_off() -> None:
    world = Estate42()
    Process(world).go()
    process = Process(world)
    at(process, "cut-over.2", "asleep", lambda: process.stop.request(2) if len(world.flips) > 1 else None, once=False)
    with pytest.raises(errors.Interrupted):
        process.go(Goal.REVERSE)
    with pytest.raises(errors.Parked, match="postponed"):
        Process(world).go(Goal.CUTOVER, PUT_OFF)
    assert Process(world).journal().view(RUN).step("cut-over.2").status is Status.DONE
    assert world.flips == ["target", "source"]
    world.check_end("source")
