"""What goes wrong around the fence and the flip: taken back, parked, or stopped, and never flipped over."""

from __future__ import annotations

import pytest

from portability import errors
from portability.model.status import Fact, RunState
from portability.steps.directory import STAMP
from portability.stores.base import Flow
from portability.stores.dynamodb.parking import EXPIRED
from tests.steps_data.fake_store import key_of
from tests.steps_data.moments import at, facts
from tests.steps_data.run_world import Estate42, Killed, Process


def test_a_difference_inside_the_fence_unfences_and_stops_with_nothing_lost() -> None:
    world = Estate42()
    process = Process(world)

    def corrupt() -> None:
        name = next(iter(world.world.target.items))
        world.world.target.items[name] = -1
        world.world.source.log.append((name, world.clock.now()))
        process.move.sync = lambda flow, keys: None  # type: ignore[method-assign,assignment,return-value]

    at(process, "cut-over", "before drain Order-forward", corrupt)
    with pytest.raises(errors.Mismatch) as mismatch:
        process.go()
    assert mismatch.value.exit_code == 11
    assert world.flips == []
    assert world.stamps[-1][0] == "lifted"
    assert Fact.UNFENCED in facts(world)


def test_a_write_that_slips_through_between_drain_and_flip_aborts_the_flip() -> None:
    world = Estate42()
    process = Process(world)

    def slip() -> None:
        world.world.source.write("order-1", 999_999)
        world.acked["order-1"] = 999_999
        process.move.catch_up(Flow.FORWARD)

    at(process, "cut-over", "before compare_keys", slip)
    with pytest.raises(errors.Mismatch):
        process.go()
    assert [act for act, _ in world.stamps] == ["stamped", "fenced", "lifted"]
    assert process.move.history[-1] == "Order-forward sync"
    Process(world).go()
    assert world.flips == ["target"]
    world.check_end("target")


def test_a_slip_that_the_channel_saw_only_after_the_comparison_is_not_flipped_over() -> None:
    world = Estate42()
    process = Process(world)

    def slip() -> None:
        # Its value equals what the target holds: only the parked key tells that somebody wrote.
        world.world.source.log.append(("order-1", world.clock.now()))
        process.move.catch_up(Flow.FORWARD)

    at(process, "cut-over", "before compare_keys", slip)
    process.go()
    assert [act for act, _ in world.stamps][:3] == ["stamped", "fenced", "lifted"]
    assert world.flips == ["target"]
    world.check_end("target")


def test_a_write_that_slips_through_after_the_flip_stops_the_run_and_is_not_discarded() -> None:
    world = Estate42()
    process = Process(world)

    def slip() -> None:
        world.world.source.write("order-1", 999_999)

    at(process, "cut-over", "asleep", lambda: slip() if world.flips else None, once=False)
    with pytest.raises(errors.Mismatch) as mismatch:
        process.go()
    assert "after it was fenced" in mismatch.value.what
    assert world.world.source.items["order-1"] == 999_999
    assert world.world.target.items.get("order-1") != 999_999
    assert "Order-reverse sync" not in process.move.history
    assert Process(world).journal().view(world.entries()[0].run).state is RunState.PARKED
    # A new process still knows: the slipped keys are in the journal.
    again = Process(world)
    with pytest.raises(errors.Mismatch):
        again.go()
    assert "Order-reverse sync" not in again.move.history
    # The operator settles it: both sides hold the same, and the run goes on.
    world.writing = False
    world.world.source.items["order-1"] = world.world.target.items["order-1"] = 5
    world.acked["order-1"] = 5
    view = Process(world).go()
    assert view.state is RunState.SOAKING
    assert view.step("cut-over").output["late_events"] == 1


@pytest.mark.parametrize("off", (-86_400.0, 86_400.0))
def test_whoever_goes_on_after_the_flip_watches_the_whole_time_whatever_its_clock_says(off: float) -> None:
    world = Estate42()
    process = Process(world)

    def die() -> None:
        if world.flips:
            process.dead = True
            raise Killed

    at(process, "cut-over", "asleep", die, once=False)
    with pytest.raises(Killed):
        process.go()
    world.clock.wall += off
    again = Process(world)
    assert again.go().state is RunState.SOAKING
    left = [fields["seconds_left"] for event, fields in again.events if event == "watching"]
    assert left[0] == 1.0, "the estate's tripwire"
    assert left[-1] == 0.0
    assert len(left) < 30


def test_what_expires_on_the_old_side_after_the_flip_is_nobodys_slip() -> None:
    world = Estate42()
    process = Process(world)

    def expire() -> None:
        if world.flips:
            watching = next(channel for channel in process.move.running if channel.flow is Flow.FORWARD)
            watching._ledger.park(watching.name, f"{EXPIRED}p/order", [key_of("order-1")])

    at(process, "cut-over", "asleep", expire)
    world.writing = False
    view = process.go()
    assert view.state is RunState.SOAKING
    assert "slips" not in view.step("cut-over").notes


def test_a_directory_record_changed_by_somebody_else_parks_before_anything_is_frozen() -> None:
    world = Estate42()
    world.record["tenantTier"] = {"S": "standard"}
    with pytest.raises(errors.Parked) as parked:
        Process(world).go()
    assert "tenantTier" in parked.value.what
    assert Fact.FENCED not in facts(world)


def test_a_directory_record_changed_inside_the_fence_aborts_the_flip_as_a_mismatch() -> None:
    world = Estate42()
    process = Process(world)
    at(process, "cut-over", "after drain Order-forward", lambda: world.record.update({"tenantTier": {"S": "gold"}}))
    with pytest.raises(errors.Mismatch):
        process.go()
    assert world.flips == []
    assert world.record[STAMP]["M"]["fenced"]["BOOL"] is False


def test_a_stop_asked_for_inside_the_fence_unfences_before_it_parks() -> None:
    world = Estate42()
    process = Process(world)
    at(process, "cut-over", "after drain Order-forward", lambda: process.stop.request(15))
    with pytest.raises(errors.Interrupted):
        process.go()
    assert world.stamps[-1][0] == "lifted"
    world.check_end("source")
